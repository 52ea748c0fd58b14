"""The gates: code, input, output. A gate that crashes refuses."""
