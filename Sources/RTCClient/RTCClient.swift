// A participant without a browser: joins a room by RTC on a packet loop.
