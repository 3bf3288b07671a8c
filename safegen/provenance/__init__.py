"""Where an output came from.

keys/    who signs, and whom to believe: X.509, custody of keys, lists of trust
media/   kinds of files, and the parts that each is made of
c2pa/    what a manifest says, how it is signed and how it is read
log/     the append-only log of releases: tables, tree, proofs, signed heads, receipts
"""
