-- Three thousand items to look at, for this example only. As a migration they are made once, however many instances start.

INSERT INTO content (owner, title, is_generated)
SELECT 'user-' || n % 40, 'Picture ' || n, n % 4 = 0 FROM generate_series(1, 3000) AS n;

INSERT INTO content_tag (tag, content_id)
SELECT kind.tag, content.id
  FROM content, (VALUES ('forest', 2), ('night', 3), ('portrait', 5), ('comet', 500)) AS kind (tag, every)
 WHERE content.id % kind.every = 0;

-- After so many new rows the planner would go on with what it knew of empty tables until autovacuum comes by.
ANALYZE content, content_tag;
