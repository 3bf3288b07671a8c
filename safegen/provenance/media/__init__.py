"""Kinds of files, and the parts that each is made of; pure."""
