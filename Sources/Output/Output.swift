// Ingest, ladder, transport stream, segments, playlists, access, origin.
