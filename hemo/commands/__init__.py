"""The click commands, each also an entry point of MLproject under the same name."""
