"""The only place where verbs meet.

train/      records to a certified, signed package
generate/   a request to outputs that were allowed, explained, signed and logged
sign        an edited file, or one of one's own, to a signed one that keeps its history
explain     what made each region of an output
evaluate    what a generator is good for
audit       attacks on a model, beside the claim that they test
revoke      keys, models and outputs taken back
backup      copies of ledgers and budgets
"""
