"""The rulebase: YAML rule documents read into checked, immutable rules."""
