"""Tests inside a policy say where it does not do what they expect."""

from safegen.policy.load import load_policy
from safegen.policy.own_tests import run_tests

POLICY = """
name: small
description: Small batches.
given: {request.purpose: a test, request.actor: ada}
rules:
  - {id: few, stage: request, require: request.count < 3, because: Few.}
  - {id: who, stage: request, require: request.actor == "ada", because: Ada.}
  - {id: private, stage: request, require: model.epsilon < 9.0, because: Private.}
  - {id: sworn, stage: request, attest: {what: So it is., who: counsel}, because: Sworn.}
tests:
  - it: allows two
    stage: request
    facts: {request.count: 2, certificate.epsilon: 8.0}
    attested: [sworn]
    allowed: true
  - it: refuses three
    stage: request
    facts: {request.count: 3}
    expect: {few: failed, who: passed, private: error, sworn: failed}
  - it: knows nobody when nobody is named
    stage: request
    facts: {request.actor: "null", model.epsilon: 9.5}
    expect: {who: error, private: failed}
"""


def test_a_policy_s_own_tests_pass_and_fail_as_they_say(write):
    results = run_tests(load_policy(write(POLICY)))
    assert [result.problems for result in results] == [(), (), ()]
    loose = run_tests(load_policy(write(POLICY.replace("< 3", "< 4"))))
    assert [len(result.problems) for result in loose] == [0, 1, 0]
    assert loose[1].problems[0].startswith("few is passed (Few.), and failed was expected")
    strict = run_tests(load_policy(write(POLICY.replace("< 3", "< 2"))))
    assert strict[0].problems == ("it is refused as a whole",)
