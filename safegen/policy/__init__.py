"""What may leave: policies in YAML, rules in CEL, facts with types, decisions with reasons."""
