"""The process that dubs one session at a time, and the protocol between it and the server."""
