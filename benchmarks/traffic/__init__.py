"""An app that tells who answers, and clients that miss nothing of what becomes of their requests."""
