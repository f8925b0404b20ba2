"""What the machines of an overlay tell of each other, compared: facts that are computed when a rule asks for them."""
