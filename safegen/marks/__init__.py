"""Marks in the pixels: what is left of an output's origin when its metadata was stripped.

    codes          a payload as a word that survives wrong bits
    views          the alignments in which a mark is looked for
    extractor      the network that reads it, in numpy
    evidence       how likely it is that a reading deceives
    embedding      writing it, by changing the picture until the extractor reads it (torch)

A mark is evidence of origin only together with the ledger that knows its payload: the extractor is
public, and anybody may write any word into any picture with it.
"""
