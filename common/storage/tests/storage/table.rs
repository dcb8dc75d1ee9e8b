use storage::table;
use testkit::TestDatabase;

use crate::TABLES;

#[derive(Debug, PartialEq)]
struct Thing {
    id: i64,
    owner: i64,
    price: i64,
    gone: i32,
}

storage::table! { "thing" (id, owner, price, gone) as Thing { id, owner, price, gone } }

#[derive(Clone, Copy, Debug, PartialEq)]
enum Colour {
    Red,
    Unknown,
}

impl Colour {
    const ALL: [Self; 2] = [Self::Red, Self::Unknown];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Red => "red",
            Self::Unknown => "unknown",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Strict(Colour);

impl Strict {
    const ALL: [Self; 1] = [Self(Colour::Red)];

    const fn as_str(self) -> &'static str {
        self.0.as_str()
    }
}

storage::text_column!(Colour, or Colour::Unknown);
storage::text_column!(Strict);

testkit::for_each_backend! {
    async fn an_update_writes_the_row_of_its_id_and_no_other(db: TestDatabase) {
        let database = db.open(&[TABLES]).await;
        let things = [1, 2, 3].map(|price| Thing { id: 0, owner: 7, price, gone: 0 });
        let mut tx = database.begin().await.unwrap();
        let ids: Vec<(i64,)> =
            table::insert(&mut tx, &things.iter().collect::<Vec<_>>(), "RETURNING id").await.unwrap();
        let (second,) = ids[1];
        table::update(&mut tx, &Thing { id: second, owner: 8, price: 20, gone: 1 }, second).await.unwrap();
        tx.commit().await.unwrap();
        for (id,) in ids {
            let thing: Thing = table::find(&database, "id", id).await.unwrap().unwrap();
            assert_eq!((thing.owner, thing.gone), if id == second { (8, 1) } else { (7, 0) });
        }
    }

    async fn a_text_of_another_release_is_an_error_or_the_value_for_it(db: TestDatabase) {
        let database = db.open(&[TABLES]).await;
        for (text, known) in [("red", Some(Colour::Red)), ("blue", None)] {
            let query = "SELECT CAST($1 AS TEXT)";
            let strict: Result<Strict, _> =
                sqlx::query_scalar(query).bind(text).fetch_one(database.reader()).await;
            assert_eq!(strict.ok(), known.map(Strict), "{text}");
            let lenient: Colour =
                sqlx::query_scalar(query).bind(text).fetch_one(database.reader()).await.unwrap();
            assert_eq!(lenient, known.unwrap_or(Colour::Unknown), "{text}");
        }
    }
}
