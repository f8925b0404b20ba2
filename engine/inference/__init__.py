"""Inference: rules against facts, joined by durable-rules or by the reference matcher."""
