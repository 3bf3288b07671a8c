"""Files to verdicts; never imports torch.

verify       what callers use
workers/     processes that look at files: within limits, and without a network
one_file     one file to its verdict, through the numbered steps
steps/       what each step looks at, and what it finds
evidence     what the steps are given
"""
