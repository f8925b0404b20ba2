"""The walk: one flow through the modelled data plane, request and reply, with the line that decided each step."""
