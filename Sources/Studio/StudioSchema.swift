// Studio's tables.

public import GRDB

/// Studio's part of the database schema; every table knows its organisation.
public enum StudioSchema {
    /// Registers the migrations, oldest first.
    public static func register(in migrator: inout DatabaseMigrator) {
        migrator.registerMigration("studio-1") { database in
            try database.execute(
                sql: """
                    CREATE TABLE event (
                        id TEXT PRIMARY KEY, org TEXT NOT NULL, title TEXT NOT NULL, startsAt INTEGER,
                        settings TEXT NOT NULL, state TEXT NOT NULL, version INTEGER NOT NULL,
                        output TEXT, masterPath TEXT, createdAt INTEGER NOT NULL);
                    CREATE INDEX eventByOrg ON event (org, id);
                    CREATE TABLE invitation (
                        id TEXT PRIMARY KEY, org TEXT NOT NULL,
                        event TEXT NOT NULL REFERENCES event (id) ON DELETE CASCADE,
                        tokenHash TEXT NOT NULL UNIQUE, role TEXT NOT NULL, name TEXT, can TEXT NOT NULL,
                        expiresAt INTEGER NOT NULL, maxUses INTEGER NOT NULL, uses INTEGER NOT NULL DEFAULT 0,
                        isRevoked INTEGER NOT NULL DEFAULT 0);
                    CREATE TABLE invitationUse (
                        org TEXT NOT NULL, invitation TEXT NOT NULL REFERENCES invitation (id) ON DELETE CASCADE,
                        deviceHash TEXT NOT NULL, person TEXT NOT NULL, jti TEXT NOT NULL,
                        PRIMARY KEY (invitation, deviceHash));
                    CREATE TABLE session (
                        hash TEXT PRIMARY KEY, org TEXT NOT NULL, claims TEXT NOT NULL, expiresAt INTEGER NOT NULL);
                    CREATE INDEX sessionByEnd ON session (expiresAt);
                    CREATE TABLE revocation (jti TEXT PRIMARY KEY, org TEXT NOT NULL, expiresAt INTEGER NOT NULL);
                    CREATE TABLE ingest (
                        id TEXT PRIMARY KEY, org TEXT NOT NULL,
                        event TEXT NOT NULL REFERENCES event (id) ON DELETE CASCADE,
                        name TEXT NOT NULL, kind TEXT NOT NULL, keyHash TEXT NOT NULL, UNIQUE (event, name));
                    CREATE TABLE idempotency (
                        scope TEXT NOT NULL, key TEXT NOT NULL, answer BLOB NOT NULL, createdAt INTEGER NOT NULL,
                        PRIMARY KEY (scope, key));
                    CREATE INDEX idempotencyByAge ON idempotency (createdAt);
                    """)
        }
        migrator.registerMigration("studio-2") { database in
            try database.execute(
                sql: """
                    CREATE TABLE program (
                        event TEXT PRIMARY KEY REFERENCES event (id) ON DELETE CASCADE, org TEXT NOT NULL,
                        scene TEXT NOT NULL, version INTEGER NOT NULL,
                        preview TEXT NOT NULL, previewVersion INTEGER NOT NULL, stage TEXT NOT NULL, clock TEXT);
                    CREATE TABLE participant (
                        event TEXT NOT NULL REFERENCES event (id) ON DELETE CASCADE, org TEXT NOT NULL,
                        id TEXT NOT NULL, name TEXT, title TEXT, volume REAL NOT NULL, isMuted INTEGER NOT NULL,
                        PRIMARY KEY (event, id));
                    CREATE TABLE layout (
                        event TEXT NOT NULL REFERENCES event (id) ON DELETE CASCADE, org TEXT NOT NULL,
                        name TEXT NOT NULL, layout TEXT NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (event, name));
                    CREATE TABLE asset (
                        id TEXT PRIMARY KEY, org TEXT NOT NULL,
                        event TEXT NOT NULL REFERENCES event (id) ON DELETE CASCADE,
                        kind TEXT NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL);
                    CREATE INDEX assetByEvent ON asset (event, id);
                    CREATE TABLE deck (
                        id TEXT PRIMARY KEY, org TEXT NOT NULL,
                        event TEXT NOT NULL REFERENCES event (id) ON DELETE CASCADE, pages INTEGER NOT NULL);
                    CREATE INDEX deckByEvent ON deck (event, id);
                    """)
        }
        migrator.registerMigration("studio-outputs") { database in
            try database.execute(
                sql: """
                    CREATE TABLE output (
                        id TEXT PRIMARY KEY, org TEXT NOT NULL,
                        event TEXT NOT NULL REFERENCES event (id) ON DELETE CASCADE,
                        name TEXT, url TEXT NOT NULL, key BLOB NOT NULL, hasBeenLive INTEGER NOT NULL DEFAULT 0);
                    CREATE INDEX outputByEvent ON output (event);
                    """)
        }
        migrator.registerMigration("studio-scenes") { database in
            try database.execute(
                sql: """
                    CREATE TABLE preset (
                        event TEXT NOT NULL REFERENCES event (id) ON DELETE CASCADE, org TEXT NOT NULL,
                        name TEXT NOT NULL, scene TEXT NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (event, name));
                    CREATE TABLE pendingTake (
                        event TEXT PRIMARY KEY REFERENCES event (id) ON DELETE CASCADE, org TEXT NOT NULL,
                        id TEXT NOT NULL, take TEXT NOT NULL, at INTEGER NOT NULL);
                    """)
        }
        migrator.registerMigration("studio-room-locks") { database in
            try database.execute(
                sql: """
                    CREATE TABLE roomLock (
                        event TEXT PRIMARY KEY REFERENCES event (id) ON DELETE CASCADE, org TEXT NOT NULL,
                        people TEXT NOT NULL);
                    """)
        }
        migrator.registerMigration("studio-videos") { database in
            try database.execute(sql: "ALTER TABLE asset ADD COLUMN durationMs INTEGER")
        }
        migrator.registerMigration("studio-silence") { database in
            try database.execute(sql: "ALTER TABLE participant ADD COLUMN isMutedInRoom INTEGER NOT NULL DEFAULT 0")
        }
    }
}
