"""The catalogue of failure modes: one page a rule, for people; made from the rule, its playbook and its proofs."""
