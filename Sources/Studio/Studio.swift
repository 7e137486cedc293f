// HTTP API, pages, event registry, invitations, placement.
