"""Marks in the pixels: what is left of an output's origin when its metadata was stripped.

codes          a payload as a word that survives wrong bits
designs        which extractors there are, and which pictures they are for
views          the alignments in which a mark is looked for
extractor      the network that reads it, in numpy; `weights/` has what it learnt
evidence       how likely it is that a reading deceives
detect         the three together: what a picture says, and how much that proves
robustness     what may happen to a picture on its way, for tests

With torch, for whoever generates:

embed          pictures that carry marks
writing        where in a picture, and how strongly; `refining` does it better, and slowly
networks       the extractor with gradients; `distortions` as well

A mark is evidence of origin only together with the ledger that knows its payload: the extractor is
public, and anybody may write any word into any picture with it.
"""
