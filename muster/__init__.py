"""Program entry points: commands, the web application, the worker, and the embedded servers."""
