package store

import (
	"database/sql"
	"fmt"
)

// applicationID marks the file as fedtab's, in SQLite's header: "FTAB".
const applicationID = 0x46544142

// migrations lead from one schema version to the next: migrations[v] makes
// version v+1 from version v. Those that have shipped never change.
var migrations = []string{schema1, schema2, schema3, schema4, schema5, schema6, schema7, schema8, schema9, schema10, schema11, schema12, schema13, schema14, schema15, schema16, schema17, schema18}

// schema1 is made for people with a SQLite shell: plain columns, texts and
// ISO times; what is large and opaque comes last.
const schema1 = `
-- schema_version, created_by and opened_by (builds), created_at, and the
-- secret that resume tokens are made with.
CREATE TABLE meta (
	key   TEXT PRIMARY KEY,
	value ANY NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
	number        INTEGER PRIMARY KEY AUTOINCREMENT, -- the order they were created in, whatever the clock did
	id            TEXT NOT NULL UNIQUE,
	task          TEXT NOT NULL,
	title         TEXT NOT NULL,
	seed          TEXT NOT NULL,                     -- decimal: up to 2^64 - 1, more than an INTEGER holds
	created_at    TEXT NOT NULL,
	finished_at   TEXT,                              -- NULL while the run goes on
	finish_reason TEXT,
	participants_reserved INTEGER NOT NULL DEFAULT 1, -- the lowest participant number that is free
	spec_hash     TEXT NOT NULL,                     -- SHA-256 of spec
	spec          TEXT NOT NULL                      -- the task, YAML
) STRICT;
CREATE INDEX runs_by_task ON runs (task, number);

-- A row is written when a round opens; the figures come with its commit, the
-- test_ columns when the version it made has been evaluated.
CREATE TABLE rounds (
	run          TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
	round        INTEGER NOT NULL,          -- also the number of the version that it makes
	order_number INTEGER NOT NULL,          -- of the attempt
	base         INTEGER NOT NULL,          -- the version it starts from; 0 comes from the seed
	opened_at    TEXT NOT NULL,
	deadline_at  TEXT NOT NULL,
	committed_at TEXT,                      -- NULL while the round is open
	participants INTEGER,                   -- whose contributions are in the version
	weight       REAL,                      -- examples behind them
	train_loss   REAL,                      -- NULL also when it is not a number
	test_loss    REAL,
	test_accuracy REAL,                     -- 0 to 1
	test_examples INTEGER,
	bytes_up     INTEGER,
	bytes_down   INTEGER,
	cohort           TEXT NOT NULL,         -- JSON array of participant numbers
	participant_list TEXT,                  -- JSON array
	PRIMARY KEY (run, round)
) STRICT;

CREATE TABLE models (
	run        TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
	version    INTEGER NOT NULL,
	hash       TEXT NOT NULL,               -- SHA-256 of the parameters
	length     INTEGER NOT NULL,            -- number of parameters
	pinned     INTEGER NOT NULL DEFAULT 0,  -- 1: keep the parameters
	snapshot   BLOB,                        -- the strategy's state
	parameters BLOB,                        -- float32, little-endian; NULL once no longer kept
	PRIMARY KEY (run, version)
) STRICT;
CREATE INDEX models_kept ON models (run, version) WHERE parameters IS NOT NULL;

-- Server vectors of the strategy (momentum, control variates), kept as long
-- as the parameters of their version.
CREATE TABLE vectors (
	run     TEXT NOT NULL,
	version INTEGER NOT NULL,
	name    TEXT NOT NULL,
	vector  BLOB NOT NULL,                  -- float32, little-endian
	PRIMARY KEY (run, version, name),
	FOREIGN KEY (run, version) REFERENCES models (run, version) ON DELETE CASCADE
) STRICT;

CREATE TABLE events (
	id          INTEGER PRIMARY KEY,
	run         TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
	at          TEXT NOT NULL,
	round       INTEGER NOT NULL,
	participant INTEGER NOT NULL,           -- 0 is the coordinator itself
	kind        TEXT NOT NULL,
	detail      TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_run ON events (run, round);
`

// schema2 adds what each version was made from.
const schema2 = `
CREATE TABLE contributions (
	run          TEXT NOT NULL,
	round        INTEGER NOT NULL,          -- the committed round that it is in
	participant  INTEGER NOT NULL,
	order_number INTEGER NOT NULL,
	weight       INTEGER NOT NULL,          -- examples
	fingerprint  TEXT NOT NULL,             -- XXH64 of the packed vector, hexadecimal
	PRIMARY KEY (run, round, participant, order_number),
	FOREIGN KEY (run, round) REFERENCES rounds (run, round) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
`

// schema3 adds the ledger, by kind of message and by participant, the effective
// learning rate, and what a scheme writes down with an open round.
const schema3 = `
ALTER TABLE rounds ADD COLUMN rate REAL;           -- effective learning rate
ALTER TABLE rounds ADD COLUMN models_up INTEGER;   -- vectors as long as the model, however packed
ALTER TABLE rounds ADD COLUMN models_down INTEGER;
ALTER TABLE rounds ADD COLUMN kinds TEXT;          -- JSON: bytes by kind of message, {"order": {"up": 0, "down": 90}}
ALTER TABLE rounds ADD COLUMN state BLOB;          -- of the strategy, while the round is open

CREATE TABLE traffic (
	run         TEXT NOT NULL,
	round       INTEGER NOT NULL,           -- the committed round that ended the period
	participant INTEGER NOT NULL,
	bytes_up    INTEGER NOT NULL,
	bytes_down  INTEGER NOT NULL,
	models_up   INTEGER NOT NULL,
	models_down INTEGER NOT NULL,
	PRIMARY KEY (run, round, participant),
	FOREIGN KEY (run, round) REFERENCES rounds (run, round) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
`

// schema4 adds the kinds of message to a participant's account.
const schema4 = `
ALTER TABLE traffic ADD COLUMN kinds TEXT;         -- as in rounds
`

// schema5 adds the bounds of the weights that an open round's cohort may claim, and
// what a run's data was.
const schema5 = `
ALTER TABLE runs ADD COLUMN data_hash TEXT;        -- SHA-256 of the shards' examples; NULL: not recorded
ALTER TABLE rounds ADD COLUMN weights TEXT;        -- JSON array beside cohort: max examples of each, while the round is open
`

// schema6 adds what has travelled and was answered in the whole run.
const schema6 = `
ALTER TABLE runs ADD COLUMN ledger TEXT;           -- JSON; NULL in a run of an earlier schema: its rounds have all there is
`

// schema7 adds by how much contributions count, so that versions can be made anew.
const schema7 = `
ALTER TABLE contributions ADD COLUMN scale REAL;   -- factor of its vectors in the sum, or of what was kept; NULL: not recorded
ALTER TABLE contributions ADD COLUMN counted REAL; -- what the sum is divided by, its part; 0: its vectors were kept
`

// schema8 adds who has left for good, and how often invites were used.
const schema8 = `
-- A participant's resume tokens have ended. A row is of use until they have expired.
CREATE TABLE departures (
	run         TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
	participant INTEGER NOT NULL,
	left_at     TEXT NOT NULL,
	PRIMARY KEY (run, participant)
) STRICT, WITHOUT ROWID;

CREATE TABLE invites (
	id         TEXT PRIMARY KEY,            -- hexadecimal
	task       TEXT NOT NULL,
	uses       INTEGER NOT NULL,            -- participants that may join with it; 0: revoked
	used       INTEGER NOT NULL,            -- participants that have joined with it
	created_at TEXT NOT NULL,
	expires_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
`

// migrate brings db from schema version have to len(list), each version in a
// transaction of its own, so that a crash leaves an old database or a new one.
func migrate(db *sql.DB, list []string, have int) error {
	for v := have; v < len(list); v++ {
		err := transact(db, func(tx *sql.Tx) error {
			if _, err := tx.Exec(list[v]); err != nil {
				return err
			}
			// PRAGMA takes no parameters.
			if _, err := tx.Exec(fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, v+1)); err != nil {
				return err
			}
			_, err := tx.Exec("INSERT OR REPLACE INTO meta VALUES ('schema_version', ?)", v+1)
			return err
		})
		if err != nil {
			return wrap(err, "migrate the schema from version %d to %d", v, v+1)
		}
	}
	return nil
}

// transact runs do in a transaction: all of it or nothing.
func transact(db *sql.DB, do func(*sql.Tx) error) error {
	tx, err := db.Begin()
	if err != nil {
		return wrap(err, "begin")
	}
	defer tx.Rollback() // after Commit it does nothing
	if err := do(tx); err != nil {
		return err
	}
	return wrap(tx.Commit(), "write to disk")
}

// schema9 adds the figures of an evaluation beside loss and accuracy. A regression has
// no accuracy; it used to be 0.
const schema9 = `
ALTER TABLE rounds ADD COLUMN test_balanced_accuracy REAL; -- mean of the classes' recalls
ALTER TABLE rounds ADD COLUMN test_f1 REAL;                -- mean of the classes' F1
ALTER TABLE rounds ADD COLUMN test_rmse REAL;              -- of a regression, in the target's unit
ALTER TABLE rounds ADD COLUMN test_mae REAL;
ALTER TABLE rounds ADD COLUMN test_r2 REAL;
ALTER TABLE rounds ADD COLUMN test_confusion TEXT;         -- JSON array, classes x predictions; kept as long as the parameters
CREATE INDEX rounds_confusion ON rounds (run, round) WHERE test_confusion IS NOT NULL;
UPDATE rounds SET test_accuracy = NULL
	WHERE test_accuracy = 0 AND run IN (SELECT id FROM runs WHERE spec LIKE '%predict: "number"%');
`

// schema10 adds what standardises data that participants bring, and evaluations on their
// holdouts: sums of single participants are not kept.
const schema10 = `
ALTER TABLE runs ADD COLUMN constants TEXT;                 -- JSON: mean and deviation of each number; NULL until they are known
ALTER TABLE rounds ADD COLUMN test_participants INTEGER;    -- whose holdouts the version was evaluated on; NULL: the coordinator's test set
ALTER TABLE rounds ADD COLUMN test_spread TEXT;             -- JSON array: smallest, quartiles and largest accuracy, or RMSE, of participants
ALTER TABLE rounds ADD COLUMN test_file TEXT;               -- JSON: figures on the organiser's test file, beside the holdouts
`

// schema11 adds the stop conditions by which an organiser has extended a run.
const schema11 = `
ALTER TABLE runs ADD COLUMN stop_rounds INTEGER; -- in place of the task's; NULL: the task's
ALTER TABLE runs ADD COLUMN stop_accuracy REAL;  -- likewise; 0: no such condition
`

// schema12 adds what organisers do with runs, and who did it.
const schema12 = `
ALTER TABLE runs ADD COLUMN paused_at TEXT;              -- NULL while it is not paused
ALTER TABLE runs ADD COLUMN pause_reason TEXT;
ALTER TABLE runs ADD COLUMN note TEXT NOT NULL DEFAULT '';   -- the organiser's
ALTER TABLE runs ADD COLUMN origin TEXT NOT NULL DEFAULT ''; -- what version 1 was taken from: a version of another run, or a file; empty: the run began with the seed

CREATE INDEX events_page ON events (run, id);

-- What lists of runs show, beside the runs: triggers keep it as rounds have it.
ALTER TABLE runs ADD COLUMN version INTEGER NOT NULL DEFAULT 0;   -- newest; 0: none
ALTER TABLE runs ADD COLUMN evaluated INTEGER NOT NULL DEFAULT 0; -- newest with figures; 0: none
ALTER TABLE runs ADD COLUMN test_loss REAL;                       -- of that version
ALTER TABLE runs ADD COLUMN test_accuracy REAL;
UPDATE runs SET version = coalesce((SELECT max(round) FROM rounds WHERE run = id AND committed_at IS NOT NULL), 0),
	evaluated = coalesce((SELECT max(round) FROM rounds WHERE run = id AND test_examples IS NOT NULL), 0);
UPDATE runs SET (test_loss, test_accuracy) = (SELECT r.test_loss, r.test_accuracy FROM rounds r WHERE r.run = id AND r.round = evaluated);
CREATE TRIGGER runs_version AFTER UPDATE OF committed_at ON rounds WHEN NEW.committed_at IS NOT NULL BEGIN
	UPDATE runs SET version = NEW.round WHERE id = NEW.run AND version < NEW.round;
END;
CREATE TRIGGER runs_figures AFTER UPDATE OF test_examples ON rounds WHEN NEW.test_examples IS NOT NULL BEGIN
	UPDATE runs SET evaluated = NEW.round, test_loss = NEW.test_loss, test_accuracy = NEW.test_accuracy WHERE id = NEW.run AND evaluated <= NEW.round;
END;

CREATE TABLE audit (
	id      INTEGER PRIMARY KEY AUTOINCREMENT,
	at      TEXT NOT NULL,
	who     TEXT NOT NULL,                  -- role, and by which way it came
	address TEXT NOT NULL,                  -- empty: from the machine itself
	action  TEXT NOT NULL,
	subject TEXT NOT NULL,                  -- a run, an invite; empty: none
	detail  TEXT NOT NULL,
	problem TEXT NOT NULL                   -- why it was refused; empty: it was done
) STRICT;
`

// schema13 adds what a run's page shows of rounds and of participants, without a look at
// each contribution.
const schema13 = `
ALTER TABLE rounds ADD COLUMN download REAL;    -- seconds of the contribution that came last: from its order to the beginning of its training; NULL: not known
ALTER TABLE rounds ADD COLUMN training REAL;    -- until it began to come; from its order where download is NULL; NULL: not recorded
ALTER TABLE rounds ADD COLUMN upload REAL;      -- until it was there
ALTER TABLE rounds ADD COLUMN committing REAL;  -- until the version was made
ALTER TABLE rounds ADD COLUMN norm_min REAL;    -- Euclidean norms of the contributions
ALTER TABLE rounds ADD COLUMN norm_median REAL;
ALTER TABLE rounds ADD COLUMN norm_max REAL;

-- Sums over contributions, traffic and events.
CREATE TABLE participants (
	run           TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
	participant   INTEGER NOT NULL,
	client        TEXT NOT NULL DEFAULT '',       -- as it named itself last; empty: not recorded
	contributions INTEGER NOT NULL DEFAULT 0,     -- in versions
	examples      INTEGER NOT NULL DEFAULT 0,     -- behind them, each round's counted
	first_round   INTEGER NOT NULL DEFAULT 0,     -- with a contribution of it; 0: none
	last_round    INTEGER NOT NULL DEFAULT 0,
	bytes_up      INTEGER NOT NULL DEFAULT 0,     -- in rounds that were committed
	bytes_down    INTEGER NOT NULL DEFAULT 0,
	rejected      INTEGER NOT NULL DEFAULT 0,     -- contributions, as far as the event log has them
	PRIMARY KEY (run, participant)
) STRICT, WITHOUT ROWID;
INSERT INTO participants (run, participant, contributions, examples, first_round, last_round)
	SELECT run, participant, count(*), sum(weight), min(round), max(round) FROM contributions GROUP BY run, participant;
INSERT INTO participants (run, participant, bytes_up, bytes_down)
	SELECT run, participant, sum(bytes_up), sum(bytes_down) FROM traffic WHERE true GROUP BY run, participant
	ON CONFLICT (run, participant) DO UPDATE SET bytes_up = excluded.bytes_up, bytes_down = excluded.bytes_down;
INSERT INTO participants (run, participant, rejected)
	SELECT run, participant, count(*) FROM events WHERE kind = 'rejected' GROUP BY run, participant
	ON CONFLICT (run, participant) DO UPDATE SET rejected = excluded.rejected;
INSERT INTO participants (run, participant, client)
	SELECT run, participant, detail FROM (SELECT run, participant, detail, max(id) FROM events WHERE kind IN ('join', 'resume') GROUP BY run, participant) WHERE true
	ON CONFLICT (run, participant) DO UPDATE SET client = excluded.client;

CREATE INDEX events_by_participant ON events (run, participant);

-- What lists of runs show beside figures: of the ledger, and counted by a trigger.
ALTER TABLE runs ADD COLUMN bytes_up INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN bytes_down INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN participants INTEGER NOT NULL DEFAULT 0;
UPDATE runs SET bytes_up = coalesce(ledger ->> 'bytes_up', 0), bytes_down = coalesce(ledger ->> 'bytes_down', 0),
	participants = (SELECT count(*) FROM participants WHERE run = id);
CREATE TRIGGER runs_participants AFTER INSERT ON participants BEGIN
	UPDATE runs SET participants = participants + 1 WHERE id = NEW.run;
END;
`

// schema14 adds the figures on the validation set. They select the best version where there
// are some.
const schema14 = `
ALTER TABLE rounds ADD COLUMN validation_examples INTEGER;       -- NULL: there is no validation set, or the version was not evaluated
ALTER TABLE rounds ADD COLUMN validation_loss REAL;
ALTER TABLE rounds ADD COLUMN validation_accuracy REAL;
ALTER TABLE rounds ADD COLUMN validation_balanced_accuracy REAL;
ALTER TABLE rounds ADD COLUMN validation_f1 REAL;
ALTER TABLE rounds ADD COLUMN validation_rmse REAL;              -- in the target's unit
ALTER TABLE rounds ADD COLUMN validation_mae REAL;
ALTER TABLE rounds ADD COLUMN validation_r2 REAL;
ALTER TABLE rounds ADD COLUMN validation_confusion TEXT;         -- as test_confusion
`

// schema15 adds the sums of secure aggregation.
const schema15 = `
-- What a group of participants has contributed to the open round. It is deleted once the round is committed.
CREATE TABLE sums (
	run          TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
	round        INTEGER NOT NULL,
	order_number INTEGER NOT NULL,  -- of the attempt
	part         INTEGER NOT NULL,  -- number of the group, from 0
	participants TEXT NOT NULL,     -- JSON array
	bound        REAL NOT NULL,     -- norm to which they clipped
	packed       BLOB NOT NULL,     -- integers, as package privacy/secagg packs them
	PRIMARY KEY (run, round, order_number, part)
) STRICT;
`

// schema16 adds what a run with noise has told of each of its participants.
const schema16 = `
ALTER TABLE rounds ADD COLUMN releases INTEGER; -- versions with noise that are charged, this one included; NULL: the run makes no claim
ALTER TABLE rounds ADD COLUMN epsilon REAL;     -- upper bound after them, add-remove adjacency
ALTER TABLE rounds ADD COLUMN delta REAL;
`

// schema17 keeps the accounts of privacy of runs that were deleted.
const schema17 = `
CREATE TABLE accounts (
	number   INTEGER PRIMARY KEY, -- as it was in runs
	run      TEXT NOT NULL,
	task     TEXT NOT NULL,
	spec     TEXT NOT NULL,       -- the task, YAML
	releases INTEGER NOT NULL,    -- as of the run's newest round
	epsilon  REAL NOT NULL,
	delta    REAL NOT NULL
) STRICT;
CREATE INDEX accounts_by_task ON accounts (task);
`

// schema18 tells a database from its copies, and keeps what no copy is to have.
const schema18 = `
ALTER TABLE runs ADD COLUMN copied_at TEXT;                   -- when the database was found to be a copy; NULL: it was not, or the organiser has vouched for the run
ALTER TABLE runs ADD COLUMN cuts TEXT NOT NULL DEFAULT '[]';  -- JSON array: releases after which a tree of noise was begun out of turn

-- Seeds of the noise that the next version may take back, of the newest version alone.
CREATE TABLE seeds (
	run     TEXT PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
	version INTEGER NOT NULL,
	seeds   BLOB NOT NULL    -- 32 bytes each
) STRICT;

INSERT INTO meta VALUES ('place', ''); -- number of fedtab.place beside the database; 'backup': this is a copy
`
