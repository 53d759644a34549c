BEGIN TRANSACTION;
CREATE TABLE alerts (
	id INTEGER NOT NULL, 
	"key" VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	happened VARCHAR NOT NULL, 
	meaning VARCHAR NOT NULL, 
	command VARCHAR NOT NULL, 
	is_event BOOLEAN NOT NULL, 
	is_over BOOLEAN NOT NULL, 
	is_delivered BOOLEAN NOT NULL, 
	told_at DATETIME NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "alerts" VALUES(1,'night 2024-02-29','missed night','O''Neil said "no"; 100 % -- \ back
and	tab','…','`nightcart run`',0,0,0,'2024-03-01 02:03:04.567891');
INSERT INTO "alerts" VALUES(2,'','drift','','','',1,1,1,'2024-03-01 12:00:00.000000');
CREATE TABLE arrivals (
	id INTEGER NOT NULL, 
	path VARCHAR NOT NULL, 
	digest VARCHAR NOT NULL, 
	business_date DATE, 
	event_id VARCHAR NOT NULL, 
	outcome VARCHAR NOT NULL, 
	reason VARCHAR NOT NULL, 
	seen_at DATETIME NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "arrivals" VALUES(1,'landing/día 1.csv','d',NULL,'','set aside','O''Neil said "no"; 100 % -- \ back
and	tab','2024-03-01 02:03:04.567891');
CREATE TABLE attempts (
	id INTEGER NOT NULL, 
	decision_id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	run_key VARCHAR NOT NULL, 
	outcome VARCHAR NOT NULL, 
	reason VARCHAR NOT NULL, 
	run_id VARCHAR NOT NULL, 
	asked_at DATETIME NOT NULL, 
	ended_at DATETIME, 
	PRIMARY KEY (id), 
	UNIQUE (run_key, outcome)
);
INSERT INTO "attempts" VALUES(1,1,1,'1/1','asked','','','2024-03-01 12:00:00.000000',NULL);
INSERT INTO "attempts" VALUES(2,1,1,'1/1','failed','O''Neil said "no"; 100 % -- \ back
and	tab','r','2024-03-01 12:00:00.000000','2024-03-30 21:45:00.000001');
CREATE TABLE audit (
	id INTEGER NOT NULL, 
	kind VARCHAR NOT NULL, 
	record_id INTEGER NOT NULL, 
	payload VARCHAR NOT NULL, 
	previous VARCHAR NOT NULL, 
	digest VARCHAR NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "audit" VALUES(1,'registrations',1,'{"business_date": "2024-02-29", "digest": "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd", "identity": "i", "mlflow_run_id": "m", "registered_at": "2024-03-01T02:03:04.567891+00:00", "run_id": "r", "source": "s3://bücket/1", "tables": {"products": 0, "transactions": 3}, "tags": {"é": "ü"}, "title": "Käse & Brot", "version": 1}','0000000000000000000000000000000000000000000000000000000000000000','4c2f1dea5bb20f92294bd4296eadfb64f4f507d2f68b412d02a60aaeca18390f');
INSERT INTO "audit" VALUES(2,'promotions',1,'{"business_date": "2024-02-29", "by": "", "challenger": 1, "champion_after": 1, "champion_before": null, "decided_at": "2024-03-30T21:45:00.000001+00:00", "is_promoted": true, "kind": "night", "numbers": {"Größe": {"": "🥦", "水": [true, false, {"deep": [[], {}]}]}, "a": 9007199254740993, "quality": {"challenger": {"recall": [0.30000000000000004, 0.3333333333333333, 1e-17, 1e+300, -0.0, 5.0]}, "none": null}, "z": 1}, "reasons": ["O''Neil said \"no\"; 100 % -- \\ back\nand\ttab", "первый"], "run_id": "r"}','4c2f1dea5bb20f92294bd4296eadfb64f4f507d2f68b412d02a60aaeca18390f','23e8d726e24938e2de9c4db044ad389c04933c83b3ae2f868cfd9ed5674f8b1e');
INSERT INTO "audit" VALUES(3,'promotions',2,'{"business_date": "1999-12-31", "by": "Zoë", "challenger": 2, "champion_after": null, "champion_before": 1, "decided_at": "2024-03-01T12:00:00+00:00", "is_promoted": false, "kind": "rollback", "numbers": {"10": "ten", "9": "nine"}, "reasons": [], "run_id": ""}','23e8d726e24938e2de9c4db044ad389c04933c83b3ae2f868cfd9ed5674f8b1e','5118085229342e5b8343f54be7268dee86af7fa19b87d3e7adf2fe85ee06b793');
INSERT INTO "audit" VALUES(4,'scorings',1,'{"business_date": "2024-02-29", "model_version": 1, "run_id": "r", "scored_at": "2024-03-01T12:00:00+00:00", "tables": {}}','5118085229342e5b8343f54be7268dee86af7fa19b87d3e7adf2fe85ee06b793','b498a3a77ab78abfe2b1bd92c0cfcb9fe10e76b9b61d3fa1ecfdceaac9954fa0');
INSERT INTO "audit" VALUES(5,'publications',1,'{"because": "O''Neil said \"no\"; 100 % -- \\ back\nand\ttab", "is_carried_over": true, "made_on": "2024-02-29", "model_version": null, "published_at": "2024-03-01T02:03:04.567891+00:00", "published_for": "2024-03-01", "rows": 0, "run_id": "r", "table_version": 7}','b498a3a77ab78abfe2b1bd92c0cfcb9fe10e76b9b61d3fa1ecfdceaac9954fa0','4a3ee8ef93af6b41d14e4d3e2c818b71aa9d579eb97ee2c00eb38a06eac9b51a');
INSERT INTO "audit" VALUES(6,'policy_decisions',1,'{"decided_at": "2024-03-30T21:45:00.000001+00:00", "fired": [{"rule": "ties", "says": "a tie does not promote"}, {"at": null, "rule": "é", "says": ""}], "is_allowed": false, "package": "nightcart.promotion", "policy_digest": "p", "question": {"Größe": {"": "🥦", "水": [true, false, {"deep": [[], {}]}]}, "a": 9007199254740993, "quality": {"challenger": {"recall": [0.30000000000000004, 0.3333333333333333, 1e-17, 1e+300, -0.0, 5.0]}, "none": null}, "z": 1}, "run_id": "r", "subject": "1"}','4a3ee8ef93af6b41d14e4d3e2c818b71aa9d579eb97ee2c00eb38a06eac9b51a','ce1065503e983ad3b3b8da7ee50b20a92c41b0da630c4de8591876e430a6e72f');
INSERT INTO "audit" VALUES(7,'verdicts',1,'{"check": "keys", "data_version": "v", "decided_at": "2024-03-01T02:03:04.567891+00:00", "outcome": "crashed", "partition": null, "reason": "O''Neil said \"no\"; 100 % -- \\ back\nand\ttab", "run_id": "r", "subject": "products"}','ce1065503e983ad3b3b8da7ee50b20a92c41b0da630c4de8591876e430a6e72f','46d7887f07b6be88ad839707fb130c6590123b8aa44ddf91f3aca2a972283640');
INSERT INTO "audit" VALUES(8,'verdicts',2,'{"check": "rows", "data_version": "v", "decided_at": "2024-03-01T12:00:00+00:00", "outcome": "passed", "partition": "2024-02-29", "reason": "", "run_id": "r", "subject": "transactions"}','46d7887f07b6be88ad839707fb130c6590123b8aa44ddf91f3aca2a972283640','5cffa29b3fd87795c895acf1bc8912bfa4ec192b50a3aba8d12f95aae044f1e3');
INSERT INTO "audit" VALUES(9,'overrides',1,'{"by": "Ægir", "check": "rows", "data_version": "v", "decided_at": "2024-03-01T12:00:00+00:00", "expires_at": "2999-12-31T23:59:59.999999+00:00", "partition": "2024-02-29", "reason": "bekannt", "subject": "transactions"}','5cffa29b3fd87795c895acf1bc8912bfa4ec192b50a3aba8d12f95aae044f1e3','c87e5e893f59408c16d05d43bdb4ece9686b7c271f959fbc48f6cfbb82243071');
INSERT INTO "audit" VALUES(10,'signals',1,'{"business_date": "2024-02-29", "details": {"Größe": {"": "🥦", "水": [true, false, {"deep": [[], {}]}]}, "a": 9007199254740993, "quality": {"challenger": {"recall": [0.30000000000000004, 0.3333333333333333, 1e-17, 1e+300, -0.0, 5.0]}, "none": null}, "z": 1}, "level": "error", "model_version": 1, "run_id": "r", "says": "½ of the lines", "seen_at": "2024-03-01T02:03:04.567891+00:00", "value": 0.30000000000000004, "watch": "volume"}','c87e5e893f59408c16d05d43bdb4ece9686b7c271f959fbc48f6cfbb82243071','cc9af0f5cf6c0cb22db1d3597faae031944f39c6b1616ce4b639af4c2577bda7');
INSERT INTO "audit" VALUES(11,'signals',2,'{"business_date": "2024-02-29", "details": {}, "level": "unknown", "model_version": null, "run_id": "r", "says": "", "seen_at": "2024-03-30T21:45:00.000001+00:00", "value": null, "watch": "inputs"}','cc9af0f5cf6c0cb22db1d3597faae031944f39c6b1616ce4b639af4c2577bda7','8d4898cce43269906c9f48201d68fba0de2e4391fd5c50d3827b6fb9090f029d');
INSERT INTO "audit" VALUES(12,'signals',3,'{"business_date": "2024-02-29", "details": {}, "level": "ok", "model_version": 1, "run_id": "r", "says": "a whole number", "seen_at": "2024-03-01T12:00:00+00:00", "value": 3, "watch": "lists"}','8d4898cce43269906c9f48201d68fba0de2e4391fd5c50d3827b6fb9090f029d','2ec43071760a5ec623fd445cf8a8ebd726a1c66a7ddafee62b530c508e6f9d9f');
INSERT INTO "audit" VALUES(13,'wishes',1,'{"by": "", "made_at": "2024-03-30T21:45:00.000001+00:00", "reason": "новый каталог"}','2ec43071760a5ec623fd445cf8a8ebd726a1c66a7ddafee62b530c508e6f9d9f','33447b5042ce7a8b8df4ba406392b9c473ca7220b1807ae04b6ca81840ab2991');
INSERT INTO "audit" VALUES(14,'retraining_decisions',1,'{"business_date": "2024-02-29", "decided_at": "2024-03-01T02:03:04.567891+00:00", "is_retraining": true, "numbers": {}, "reasons": ["age", "O''Neil said \"no\"; 100 % -- \\ back\nand\ttab"], "run_id": "r"}','33447b5042ce7a8b8df4ba406392b9c473ca7220b1807ae04b6ca81840ab2991','b7a7eb2a3377d346281f29d0a23b3d9c4ff053970000b178b36a5f024f8c7217');
INSERT INTO "audit" VALUES(15,'attempts',1,'{"asked_at": "2024-03-01T12:00:00+00:00", "decision_id": 1, "ended_at": null, "number": 1, "outcome": "asked", "reason": "", "run_id": "", "run_key": "1/1"}','b7a7eb2a3377d346281f29d0a23b3d9c4ff053970000b178b36a5f024f8c7217','95bb70341c68c041606d840b3735e295178a5b02377d7a37753e4eff541fa996');
INSERT INTO "audit" VALUES(16,'attempts',2,'{"asked_at": "2024-03-01T12:00:00+00:00", "decision_id": 1, "ended_at": "2024-03-30T21:45:00.000001+00:00", "number": 1, "outcome": "failed", "reason": "O''Neil said \"no\"; 100 % -- \\ back\nand\ttab", "run_id": "r", "run_key": "1/1"}','95bb70341c68c041606d840b3735e295178a5b02377d7a37753e4eff541fa996','0330f0e61e873a7c69ddb6eb37f3c13e6c0e81ab0ec801b2fb99537bdfbc466d');
INSERT INTO "audit" VALUES(17,'arrivals',1,'{"business_date": null, "digest": "d", "event_id": "", "outcome": "set aside", "path": "landing/día 1.csv", "reason": "O''Neil said \"no\"; 100 % -- \\ back\nand\ttab", "seen_at": "2024-03-01T02:03:04.567891+00:00"}','0330f0e61e873a7c69ddb6eb37f3c13e6c0e81ab0ec801b2fb99537bdfbc466d','a29bb93004b9d85a4667a2139985f71a4b9557e7484ab43c4f4ebf044cd0f037');
INSERT INTO "audit" VALUES(18,'deliveries',1,'{"broken": {"unknown product": 0}, "business_date": "2024-02-29", "columns": {"Straße": "VARCHAR", "a": "BIGINT"}, "content": "c", "files": {"día 1.csv": "d"}, "instead_of": "", "rows": 2147483647, "run_id": "r", "taken_in_at": "2024-03-01T12:00:00+00:00"}','a29bb93004b9d85a4667a2139985f71a4b9557e7484ab43c4f4ebf044cd0f037','64b4c691eba103435f3e1a073f410f7bf5271fa9e52b781c0e5f79297fffe902');
INSERT INTO "audit" VALUES(19,'deliveries',2,'{"broken": {}, "business_date": "2024-02-29", "columns": {}, "content": "e", "files": {}, "instead_of": "c", "rows": 0, "run_id": "", "taken_in_at": "2024-03-01T02:03:04.567891+00:00"}','64b4c691eba103435f3e1a073f410f7bf5271fa9e52b781c0e5f79297fffe902','5b3dc7007ad9b00f4f4389ad35876178b113e262bc37e8f78a44edaedc40c0ab');
INSERT INTO "audit" VALUES(20,'made',1,'{"business_date": "2024-02-29", "deliveries": 2, "made_at": "2024-03-30T21:45:00.000001+00:00", "run_id": "r", "subject": "features"}','5b3dc7007ad9b00f4f4389ad35876178b113e262bc37e8f78a44edaedc40c0ab','0fc18f7cf6c50e3e2bd97c4dde24145a4c9a95899250e1cadf991db775ee39b5');
INSERT INTO "audit" VALUES(21,'alerts',1,'{"command": "`nightcart run`", "happened": "O''Neil said \"no\"; 100 % -- \\ back\nand\ttab", "is_delivered": false, "is_event": false, "is_over": false, "key": "night 2024-02-29", "kind": "missed night", "meaning": "…", "told_at": "2024-03-01T02:03:04.567891+00:00"}','0fc18f7cf6c50e3e2bd97c4dde24145a4c9a95899250e1cadf991db775ee39b5','b59c6ba6880e29438b0ecccebd4e957f2e12155f25a60b5dca4cb548c19eabc5');
INSERT INTO "audit" VALUES(22,'alerts',2,'{"command": "", "happened": "", "is_delivered": true, "is_event": true, "is_over": true, "key": "", "kind": "drift", "meaning": "", "told_at": "2024-03-01T12:00:00+00:00"}','b59c6ba6880e29438b0ecccebd4e957f2e12155f25a60b5dca4cb548c19eabc5','dd2303d420c0005ab420f8b724a03728c736476c63dcac2178995fb8c1d176e6');
INSERT INTO "audit" VALUES(23,'erasures',1,'{"at": "2024-03-30T21:45:00.000001+00:00", "by": "ann", "household": "hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh", "key": "k", "proof": {}, "reason": "", "removed": {}, "step": "asked", "versions": {}}','dd2303d420c0005ab420f8b724a03728c736476c63dcac2178995fb8c1d176e6','1536f6688360a865f1c067df5c3eb8eff6e037eb5e3794de7e8877ff6b2bf57d');
INSERT INTO "audit" VALUES(24,'erasures',2,'{"at": "2024-03-01T02:03:04.567891+00:00", "by": "ann", "household": "hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh", "key": "k", "proof": {"Größe": {"": "🥦", "水": [true, false, {"deep": [[], {}]}]}, "a": 9007199254740993, "quality": {"challenger": {"recall": [0.30000000000000004, 0.3333333333333333, 1e-17, 1e+300, -0.0, 5.0]}, "none": null}, "z": 1}, "reason": "O''Neil said \"no\"; 100 % -- \\ back\nand\ttab", "removed": {"transactions": 12}, "step": "done", "versions": {"transactions": 4}}','1536f6688360a865f1c067df5c3eb8eff6e037eb5e3794de7e8877ff6b2bf57d','046ba63346582615fb08db3eb1ce3b61e1b226d4a88ce8f6eed091416475d0ef');
CREATE TABLE deliveries (
	id INTEGER NOT NULL, 
	business_date DATE NOT NULL, 
	files JSON NOT NULL, 
	columns JSON NOT NULL, 
	rows INTEGER NOT NULL, 
	broken JSON NOT NULL, 
	content VARCHAR NOT NULL, 
	run_id VARCHAR NOT NULL, 
	taken_in_at DATETIME NOT NULL, 
	instead_of VARCHAR NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "deliveries" VALUES(1,'2024-02-29','{"d\u00eda 1.csv": "d"}','{"Stra\u00dfe": "VARCHAR", "a": "BIGINT"}',2147483647,'{"unknown product": 0}','c','r','2024-03-01 12:00:00.000000','');
INSERT INTO "deliveries" VALUES(2,'2024-02-29','{}','{}',0,'{}','e','','2024-03-01 02:03:04.567891','c');
CREATE TABLE erasures (
	id INTEGER NOT NULL, 
	household VARCHAR NOT NULL, 
	"key" VARCHAR NOT NULL, 
	step VARCHAR NOT NULL, 
	"by" VARCHAR NOT NULL, 
	reason VARCHAR NOT NULL, 
	removed JSON NOT NULL, 
	versions JSON NOT NULL, 
	proof JSON NOT NULL, 
	at DATETIME NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "erasures" VALUES(1,'hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh','k','asked','ann','','{}','{}','{}','2024-03-30 21:45:00.000001');
INSERT INTO "erasures" VALUES(2,'hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh','k','done','ann','O''Neil said "no"; 100 % -- \ back
and	tab','{"transactions": 12}','{"transactions": 4}','{"quality": {"challenger": {"recall": [0.30000000000000004, 0.3333333333333333, 1e-17, 1e+300, -0.0, 5.0]}, "none": null}, "Gr\u00f6\u00dfe": {"\u6c34": [true, false, {"deep": [[], {}]}], "": "\ud83e\udd66"}, "z": 1, "a": 9007199254740993}','2024-03-01 02:03:04.567891');
CREATE TABLE heartbeats (
	id INTEGER NOT NULL, 
	name VARCHAR NOT NULL, 
	beat_at DATETIME NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "heartbeats" VALUES(1,'nightly_schedule','2024-03-01 02:03:04.567891');
CREATE TABLE made (
	id INTEGER NOT NULL, 
	subject VARCHAR NOT NULL, 
	business_date DATE NOT NULL, 
	deliveries INTEGER NOT NULL, 
	run_id VARCHAR NOT NULL, 
	made_at DATETIME NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "made" VALUES(1,'features','2024-02-29',2,'r','2024-03-30 21:45:00.000001');
CREATE TABLE overrides (
	id INTEGER NOT NULL, 
	subject VARCHAR NOT NULL, 
	partition DATE, 
	data_version VARCHAR NOT NULL, 
	"check" VARCHAR NOT NULL, 
	reason VARCHAR NOT NULL, 
	"by" VARCHAR NOT NULL, 
	expires_at DATETIME NOT NULL, 
	decided_at DATETIME NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "overrides" VALUES(1,'transactions','2024-02-29','v','rows','bekannt','Ægir','2999-12-31 23:59:59.999999','2024-03-01 12:00:00.000000');
CREATE TABLE policy_decisions (
	id INTEGER NOT NULL, 
	package VARCHAR NOT NULL, 
	subject VARCHAR NOT NULL, 
	question JSON NOT NULL, 
	is_allowed BOOLEAN NOT NULL, 
	fired JSON NOT NULL, 
	policy_digest VARCHAR NOT NULL, 
	run_id VARCHAR NOT NULL, 
	decided_at DATETIME NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "policy_decisions" VALUES(1,'nightcart.promotion','1','{"quality": {"challenger": {"recall": [0.30000000000000004, 0.3333333333333333, 1e-17, 1e+300, -0.0, 5.0]}, "none": null}, "Gr\u00f6\u00dfe": {"\u6c34": [true, false, {"deep": [[], {}]}], "": "\ud83e\udd66"}, "z": 1, "a": 9007199254740993}',0,'[{"rule": "ties", "says": "a tie does not promote"}, {"rule": "\u00e9", "says": "", "at": null}]','p','r','2024-03-30 21:45:00.000001');
CREATE TABLE promotions (
	id INTEGER NOT NULL, 
	business_date DATE NOT NULL, 
	challenger INTEGER NOT NULL, 
	champion_before INTEGER, 
	champion_after INTEGER, 
	is_promoted BOOLEAN NOT NULL, 
	reasons JSON NOT NULL, 
	numbers JSON NOT NULL, 
	kind VARCHAR NOT NULL, 
	"by" VARCHAR NOT NULL, 
	decided_at DATETIME NOT NULL, 
	run_id VARCHAR NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "promotions" VALUES(1,'2024-02-29',1,NULL,1,1,'["O''Neil said \"no\"; 100 % -- \\ back\nand\ttab", "\u043f\u0435\u0440\u0432\u044b\u0439"]','{"quality": {"challenger": {"recall": [0.30000000000000004, 0.3333333333333333, 1e-17, 1e+300, -0.0, 5.0]}, "none": null}, "Gr\u00f6\u00dfe": {"\u6c34": [true, false, {"deep": [[], {}]}], "": "\ud83e\udd66"}, "z": 1, "a": 9007199254740993}','night','','2024-03-30 21:45:00.000001','r');
INSERT INTO "promotions" VALUES(2,'1999-12-31',2,1,NULL,0,'[]','{"10": "ten", "9": "nine"}','rollback','Zoë','2024-03-01 12:00:00.000000','');
CREATE TABLE publications (
	id INTEGER NOT NULL, 
	made_on DATE NOT NULL, 
	published_for DATE NOT NULL, 
	is_carried_over BOOLEAN NOT NULL, 
	because VARCHAR NOT NULL, 
	table_version INTEGER NOT NULL, 
	model_version INTEGER, 
	rows INTEGER NOT NULL, 
	run_id VARCHAR NOT NULL, 
	published_at DATETIME NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "publications" VALUES(1,'2024-02-29','2024-03-01',1,'O''Neil said "no"; 100 % -- \ back
and	tab',7,NULL,0,'r','2024-03-01 02:03:04.567891');
CREATE TABLE registrations (
	id INTEGER NOT NULL, 
	version INTEGER NOT NULL, 
	business_date DATE NOT NULL, 
	title VARCHAR NOT NULL, 
	identity VARCHAR NOT NULL, 
	digest VARCHAR NOT NULL, 
	tables JSON NOT NULL, 
	source VARCHAR NOT NULL, 
	mlflow_run_id VARCHAR NOT NULL, 
	tags JSON NOT NULL, 
	run_id VARCHAR NOT NULL, 
	registered_at DATETIME NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "registrations" VALUES(1,1,'2024-02-29','Käse & Brot','i','dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd','{"transactions": 3, "products": 0}','s3://bücket/1','m','{"\u00e9": "\u00fc"}','r','2024-03-01 02:03:04.567891');
CREATE TABLE retraining_decisions (
	id INTEGER NOT NULL, 
	business_date DATE NOT NULL, 
	is_retraining BOOLEAN NOT NULL, 
	reasons JSON NOT NULL, 
	numbers JSON NOT NULL, 
	run_id VARCHAR NOT NULL, 
	decided_at DATETIME NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "retraining_decisions" VALUES(1,'2024-02-29',1,'["age", "O''Neil said \"no\"; 100 % -- \\ back\nand\ttab"]','{}','r','2024-03-01 02:03:04.567891');
CREATE TABLE scorings (
	id INTEGER NOT NULL, 
	business_date DATE NOT NULL, 
	model_version INTEGER NOT NULL, 
	tables JSON NOT NULL, 
	run_id VARCHAR NOT NULL, 
	scored_at DATETIME NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "scorings" VALUES(1,'2024-02-29',1,'{}','r','2024-03-01 12:00:00.000000');
CREATE TABLE signals (
	id INTEGER NOT NULL, 
	business_date DATE NOT NULL, 
	watch VARCHAR NOT NULL, 
	level VARCHAR NOT NULL, 
	value FLOAT, 
	says VARCHAR NOT NULL, 
	details JSON NOT NULL, 
	model_version INTEGER, 
	run_id VARCHAR NOT NULL, 
	seen_at DATETIME NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "signals" VALUES(1,'2024-02-29','volume','error',3.00000000000000044408e-01,'½ of the lines','{"quality": {"challenger": {"recall": [0.30000000000000004, 0.3333333333333333, 1e-17, 1e+300, -0.0, 5.0]}, "none": null}, "Gr\u00f6\u00dfe": {"\u6c34": [true, false, {"deep": [[], {}]}], "": "\ud83e\udd66"}, "z": 1, "a": 9007199254740993}',1,'r','2024-03-01 02:03:04.567891');
INSERT INTO "signals" VALUES(2,'2024-02-29','inputs','unknown',NULL,'','{}',NULL,'r','2024-03-30 21:45:00.000001');
INSERT INTO "signals" VALUES(3,'2024-02-29','lists','ok',3.0,'a whole number','{}',1,'r','2024-03-01 12:00:00.000000');
CREATE TABLE verdicts (
	id INTEGER NOT NULL, 
	subject VARCHAR NOT NULL, 
	partition DATE, 
	data_version VARCHAR NOT NULL, 
	"check" VARCHAR NOT NULL, 
	outcome VARCHAR NOT NULL, 
	reason VARCHAR NOT NULL, 
	run_id VARCHAR NOT NULL, 
	decided_at DATETIME NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "verdicts" VALUES(1,'products',NULL,'v','keys','crashed','O''Neil said "no"; 100 % -- \ back
and	tab','r','2024-03-01 02:03:04.567891');
INSERT INTO "verdicts" VALUES(2,'transactions','2024-02-29','v','rows','passed','','r','2024-03-01 12:00:00.000000');
CREATE TABLE wishes (
	id INTEGER NOT NULL, 
	reason VARCHAR NOT NULL, 
	"by" VARCHAR NOT NULL, 
	made_at DATETIME NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "wishes" VALUES(1,'новый каталог','','2024-03-30 21:45:00.000001');
CREATE INDEX ix_registrations_business_date ON registrations (business_date);
CREATE INDEX ix_registrations_digest ON registrations (digest);
CREATE INDEX ix_promotions_business_date ON promotions (business_date);
CREATE INDEX ix_scorings_business_date ON scorings (business_date);
CREATE INDEX ix_policy_decisions_subject ON policy_decisions (subject);
CREATE INDEX ix_verdicts_partition ON verdicts (partition);
CREATE INDEX ix_verdicts_subject ON verdicts (subject);
CREATE INDEX ix_overrides_subject ON overrides (subject);
CREATE INDEX ix_overrides_partition ON overrides (partition);
CREATE INDEX ix_signals_business_date ON signals (business_date);
CREATE INDEX ix_retraining_decisions_business_date ON retraining_decisions (business_date);
CREATE INDEX ix_attempts_decision_id ON attempts (decision_id);
CREATE INDEX ix_arrivals_business_date ON arrivals (business_date);
CREATE INDEX ix_arrivals_digest ON arrivals (digest);
CREATE INDEX ix_deliveries_business_date ON deliveries (business_date);
CREATE INDEX ix_made_subject ON made (subject);
CREATE INDEX ix_made_business_date ON made (business_date);
CREATE INDEX ix_alerts_key ON alerts ("key");
CREATE INDEX ix_erasures_key ON erasures ("key");
CREATE INDEX ix_audit_digest ON audit (digest);
COMMIT;
