"""Skills over HTTP: the server of any skill, and the client of skills that live on a server."""
