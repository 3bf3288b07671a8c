"""What may leave: policies in YAML, rules in CEL, facts with types, decisions with reasons.

facts        what rules may speak of, in groups; `vocabulary`: their names and types at each stage
plain_yaml   YAML without surprises, with lines; `document`: its content by a schema, in words
load         a file to a Policy; `extending` checks that it only tightens what it extends
expression   a condition in CEL, the one door to its evaluator; `rules`: what a rule says of facts
policy       a loaded policy, and several as one
deployment   where and for whom a system runs, and whose word is given for what
guard        facts to a Decision: the only place that allows anything
quotas       limits of outputs, which are rules about a count
own_tests    tests inside a policy; `facts_file`: facts from a file; `comparing`: two policies
gap          what is met, missed, attested; `coverage`: law to rule to control to test

How to add to it: a fact is a field of a group in `facts`, and a value where the facts of its stage
are gathered (`pipeline.generate.told`, `pipeline.train.admission`, `verification.publishing`). What
marks an output says so in `MarkFacts`; what was counted of requests over time (`quotas`) is a fact
from `provenance.log.usage`, counted while `guard.admit` decides.
A key of a policy's file is a field in `schemas.policy`.
"""
