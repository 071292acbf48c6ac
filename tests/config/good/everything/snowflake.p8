-----BEGIN ENCRYPTED PRIVATE KEY-----
not a key, but it begins like one
-----END ENCRYPTED PRIVATE KEY-----
