use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sqlx::Executor;
use storage::{Database, Listing, Order, Window, ranges};
use testkit::TestDatabase;

use crate::TABLES;

storage::table! {
    struct Listed in "thing" { id: i64, owner: i64, price: i64 }
}

const THINGS: Listing<Listed> = Listing::of("gone = 0");
/// The same, counted by ranges of ids.
const COUNTER: &str = "ranged";
const RANGED: Listing<Listed> = Listing::of("gone = 0").counted_by_ranges(COUNTER);

#[derive(Clone, Debug)]
struct Thing {
    id: i64,
    owner: i64,
    price: i64,
    gone: bool,
}

fn things() -> impl Strategy<Value = Vec<Thing>> {
    // Few values, so that many rows are equal in what they are sorted by.
    let thing = (0..3_i64, -2..3_i64, prop::bool::weighted(0.2));
    prop::collection::vec(thing, 0..40).prop_map(|things| {
        let numbered = (1..).zip(things);
        numbered.map(|(id, (owner, price, gone))| Thing { id, owner, price, gone }).collect()
    })
}

fn order() -> impl Strategy<Value = Vec<Order>> {
    let columns = prop::sample::subsequence(vec!["price", "owner", "id"], 0..=3).prop_shuffle();
    (columns, prop::collection::vec(any::<bool>(), 3))
        .prop_map(|(columns, directions)| columns.into_iter().zip(directions).collect())
}

/// All of them, the slow way.
fn model(things: &[Thing], owner: Option<i64>, order: &[Order]) -> Vec<i64> {
    let value = |thing: &Thing, column: &str| match column {
        "price" => thing.price,
        "owner" => thing.owner,
        _ => thing.id,
    };
    let mut listed: Vec<&Thing> =
        things.iter().filter(|t| !t.gone && owner.is_none_or(|owner| t.owner == owner)).collect();
    listed.sort_by(|a, b| {
        let mut order = order.to_vec();
        let last = order.last().is_some_and(|(_, descending)| *descending);
        order.push(("id", last));
        let compared = order.iter().map(|(column, descending)| {
            let compared = value(a, column).cmp(&value(b, column));
            if *descending { compared.reverse() } else { compared }
        });
        compared.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
    });
    listed.into_iter().map(|thing| thing.id).collect()
}

async fn fill(database: &Database, things: &[Thing]) {
    let mut tx = database.begin().await.unwrap();
    tx.execute("DELETE FROM thing").await.unwrap();
    for thing in things {
        sqlx::query("INSERT INTO thing (id, owner, price, gone) VALUES ($1, $2, $3, $4)")
            .bind(thing.id)
            .bind(thing.owner)
            .bind(thing.price)
            .bind(i32::from(thing.gone))
            .execute(&mut *tx)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
}

async fn page(database: &Database, owner: Option<i64>, window: &Window<'_>) -> (Vec<i64>, i64) {
    let filter = owner.map(|owner| ("owner", owner));
    let (rows, total) = THINGS.page(database, filter, window).await.unwrap();
    (rows.iter().map(|row| row.id).collect(), total)
}

testkit::for_each_backend! {
    async fn pages_are_what_sorting_everything_gives(db: TestDatabase) {
        let database = db.open(&[TABLES]).await;
        let cases = (things(), order(), prop::option::of(0..4_i64), 1..8_i64);
        let mut runner = TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
        let runtime = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| runner.run(&cases, |(things, order, owner, limit)| {
            runtime.block_on(async {
                fill(&database, &things).await;
                let all = model(&things, owner, &order);
                // Every page, those beyond the end too, and windows that lie across the middle.
                for offset in 0..all.len() as i64 + 3 {
                    let window = Window { offset, limit, order: &order };
                    let (ids, total) = page(&database, owner, &window).await;
                    let expected: Vec<i64> =
                        all.iter().copied().skip(offset as usize).take(limit as usize).collect();
                    prop_assert_eq!(total, all.len() as i64);
                    prop_assert_eq!(ids, expected, "offset {}", offset);
                }
                Ok(())
            })
        }))
        .unwrap();
    }

    /// The counters of a table in which nothing ever was need not have a row.
    async fn an_empty_table_has_an_empty_page(db: TestDatabase) {
        let database = db.open(&[TABLES]).await;
        for offset in [0, 20, i64::MAX] {
            let window = Window { offset, limit: 20, order: &[("price", true)] };
            assert_eq!(page(&database, None, &window).await, (vec![], 0));
            assert_eq!(page(&database, Some(1), &window).await, (vec![], 0));
        }
    }

    /// The last page must not read what is before it.
    async fn a_late_page_is_read_from_the_other_end(db: TestDatabase) {
        let database = db.open(&[TABLES]).await;
        database
            .writer()
            .await
            .unwrap()
            .execute(
                "INSERT INTO thing (owner, price, gone) WITH RECURSIVE r(n) AS \
                 (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 20000) SELECT n % 7, n, 0 FROM r",
            )
            .await
            .unwrap();
        let (ids, total) =
            page(&database, None, &Window { offset: 19_990, limit: 20, order: &[("price", false)] }).await;
        assert_eq!((ids, total), ((19_991..=20_000).collect(), 20_000));
    }

    /// Ids as they come from several producers: with gaps of every size, negative ones too.
    async fn a_page_in_the_middle_is_found_by_the_counters_of_ranges(db: TestDatabase) {
        let database = db.open(&[TABLES]).await;
        let mut id = -150_000;
        let ids: Vec<i64> = (1_i64..=6_000)
            .map(|n| {
                id += match n % 997 {
                    0 => 70_000,
                    rest => 1 + rest % 3 * 20,
                };
                id
            })
            .collect();
        let things: Vec<Thing> =
            ids.iter().map(|id| Thing { id: *id, owner: 1, price: 1, gone: false }).collect();
        fill(&database, &things).await;
        let recount = ranges::recount(database.dialect(), COUNTER, "thing");
        database.writer().await.unwrap().execute(sqlx::AssertSqlSafe(recount)).await.unwrap();
        // What a writer counts by itself is the same.
        let counted: Vec<(String, i64)> = sqlx::query_as("SELECT name, n FROM row_count WHERE name LIKE 'ranged#%'")
            .fetch_all(database.reader())
            .await
            .unwrap();
        let mut expected: BTreeMap<String, i64> = BTreeMap::new();
        for counter in ids.iter().flat_map(|id| ranges::range_counters(COUNTER, *id)) {
            *expected.entry(counter).or_default() += 1;
        }
        assert_eq!(counted.into_iter().collect::<BTreeMap<_, _>>(), expected);

        let both: [&[Order]; 3] = [&[], &[("id", false), ("price", true)], &[("id", true)]];
        for order in both {
            let descending = order.first().is_some_and(|(_, descending)| *descending);
            let mut sorted = ids.clone();
            if descending {
                sorted.reverse();
            }
            for offset in (0..6_000).step_by(331) {
                let window = Window { offset, limit: 20, order };
                let (rows, total) = RANGED.page(&database, None, &window).await.unwrap();
                let found: Vec<i64> = rows.iter().map(|row| row.id).collect();
                let expected: Vec<i64> = sorted.iter().copied().skip(offset as usize).take(20).collect();
                assert_eq!((found, total), (expected, 6_000), "{offset} {order:?}");
            }
        }
        // In the middle it is the counters that say where: moved from one range to the next, they lead astray.
        let astray = "UPDATE row_count SET n = CASE WHEN name = $1 THEN n + 5 ELSE n - 5 END WHERE name IN ($1, $2)";
        let [(_, here), (_, there)] = [0, 5_999].map(|at| (at, ranges::range_counters(COUNTER, ids[at])));
        for (here, there) in here.into_iter().zip(there) {
            let mut writer = database.writer().await.unwrap();
            sqlx::query(astray).bind(here).bind(there).execute(&mut *writer).await.unwrap();
        }
        let window = Window { offset: 3_000, limit: 1, order: &[] };
        let (rows, _) = RANGED.page(&database, None, &window).await.unwrap();
        assert_eq!(rows[0].id, ids[2_995]);
        // Unless it shows: somebody wrote who counts no ranges.
        let unseen = "UPDATE row_count SET n = n + 1 WHERE name = 'ranged'";
        database.writer().await.unwrap().execute(unseen).await.unwrap();
        let (rows, _) = RANGED.page(&database, None, &window).await.unwrap();
        assert_eq!(rows[0].id, ids[3_000]);
    }
}
