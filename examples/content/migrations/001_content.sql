-- What people have made and what programs have generated, in one table, since the list shows both together.

CREATE TABLE content (
    -- The order of the list: the newest item has the largest id, and no two have the same, so a page can begin after one.
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner        text NOT NULL,
    title        text NOT NULL,
    is_generated boolean NOT NULL
);

CREATE TABLE content_tag (
    tag        text NOT NULL,
    content_id bigint NOT NULL REFERENCES content (id) ON DELETE CASCADE,
    -- The hot filter of the list is "the newest with this tag". This index has the items of a tag side by side, in the order
    -- of the list, and everything that the filter looks at: a page reads as many entries as it shows.
    PRIMARY KEY (tag, content_id)
);

-- The same two columns the other way round. It gives the tags of an item, which each row of a page shows, from the index
-- alone; and a DELETE of an item finds its tags by it instead of reading the whole table.
CREATE INDEX content_tag_of_item ON content_tag (content_id, tag);

-- There is no index on owner, title or is_generated: no route filters or sorts by them, and every INSERT would pay for it.
