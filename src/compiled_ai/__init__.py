"""Compiled AI: a compiler for LLM workflows."""
