"""The process that dubs one session at a time, and the side of it that the server holds."""
