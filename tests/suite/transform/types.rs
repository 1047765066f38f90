//! Derived columns of types whose values are made of others.

mod postgres {
    use crate::place::Place;

    const MAKES: &str = "
import { transform } from 'wasmigrate';
export default transform({
  summary: 'makes', table: 'word', inputs: ['text'], derives: { u: 'TYPE NOT NULL', v: 'TYPE' },
  row({ text }) { return { u: text, v: text === 'NULL' ? null : text }; },
});
";

    #[test]
    fn values_of_other_values_are_written_as_they_are() {
        for (type_name, texts) in [
            ("pair", ["(1,a)", "(,)", "(2,\"b \"\"(\")"]),
            ("named_pair", ["(1,a)", "(3,)", "(2,\"b \"\"(\")"]),
            ("pair[]", ["{\"(1,a)\",NULL}", "{}", "{\"(2,b)\"}"]),
            ("box", ["(2,2),(1,1)", "(4,4),(3,3)", "(1,1),(0,0)"]),
            ("box[]", ["{(2,2),(1,1);(1,1),(0,0)}", "{}", "{NULL}"]),
            ("int4range", ["[1,3)", "empty", "[7,)"]),
            ("numbers", ["{1,2}", "{}", "{NULL}"]),
        ] {
            let place = Place::new()
                .with_data(
                    "CREATE TYPE pair AS (number INT, name TEXT); CREATE DOMAIN named_pair AS pair CHECK ((VALUE).number > 0);
                     CREATE DOMAIN numbers AS INT[];
                     CREATE TABLE word (id BIGINT PRIMARY KEY, text TEXT NOT NULL)",
                )
                .with_sql("0001_make.js", &MAKES.replace("TYPE", type_name));
            let mut application = place.connect();
            for (id, text) in (1..).zip(texts) {
                application.run(&format!("INSERT INTO word VALUES ({id}, '{text}')"));
            }
            application.run("INSERT INTO word SELECT 10 + id, text FROM word WHERE id = 1");
            place.run(&["migrate"]).ends_with(0);
            application
                .run("UPDATE word SET text = (SELECT text FROM word WHERE id = 2) WHERE id = 11");
            place.run(&["finalize"]).ends_with(0);
            let made = place.texts("SELECT u::text FROM word ORDER BY id");
            assert_eq!(
                made,
                [texts[0], texts[1], texts[2], texts[1]],
                "{type_name}"
            );
            assert_eq!(place.texts("SELECT v::text FROM word ORDER BY id"), made);
        }
    }
}
