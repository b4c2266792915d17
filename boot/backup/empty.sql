-- Removes all that the restore is to bring, within the restore's own transaction.
--
-- The schema `public` stays, with its owner, its grants and its default privileges, and so do extensions,
-- which often only a superuser may install: what is in it goes, one object after another. Other schemas go
-- as a whole. So nothing is left of a newer version of the project, which `pg_restore --clean` would leave.

SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = '60s';  -- somebody may hold a table
SET LOCAL client_min_messages = warning;

DO $$
DECLARE
    statement text;
    statements text[];
BEGIN
    SELECT array_agg(format('DROP SCHEMA %I CASCADE', nspname))
    INTO statements
    FROM pg_namespace AS schema
    WHERE nspname !~ '^pg_' AND nspname NOT IN ('public', 'information_schema')
      AND NOT EXISTS (
          SELECT FROM pg_depend
          WHERE classid = 'pg_namespace'::regclass AND objid = schema.oid AND deptype = 'e'
      );
    FOREACH statement IN ARRAY coalesce(statements, '{}') LOOP
        EXECUTE statement;
    END LOOP;

    -- What depends on the schema stands in it. What belongs to an extension ('e') stays with that; what is
    -- part of something else ('i', an identity column's sequence) goes with it.
    SELECT array_agg(format('DROP %s IF EXISTS %s CASCADE', replace(object.type, ' object', ''), object.identity))
    INTO statements
    FROM pg_depend AS member, pg_identify_object(member.classid, member.objid, 0) AS object
    WHERE member.refclassid = 'pg_namespace'::regclass AND member.refobjid = to_regnamespace('public')
      AND member.deptype = 'n' AND member.classid <> 'pg_extension'::regclass
      AND NOT EXISTS (
          SELECT FROM pg_depend AS whole
          WHERE whole.classid = member.classid AND whole.objid = member.objid AND whole.objsubid = 0
            AND whole.deptype IN ('e', 'i')
      );
    FOREACH statement IN ARRAY coalesce(statements, '{}') LOOP
        EXECUTE statement;
    END LOOP;

    PERFORM lo_unlink(oid) FROM pg_largeobject_metadata;
END
$$;
