// What every HTTP face shares: channel, problems, authentication, cookies, metrics and log formats.
