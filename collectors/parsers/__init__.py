"""One module a tool: text in, facts out; no module here opens a file."""
