"""The log of what came in: stored before it is answered, processed afterwards."""
