//! A table's columns, listed once: for SELECT, for INSERT, and for reading a row.
//!
//! Not `#[derive(sqlx::FromRow)]`: it reads by name, a look-up for each value, and knows neither the SELECT nor the INSERT.

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::error::BoxDynError;
use sqlx::{Any, AnyConnection, Arguments, AssertSqlSafe, ColumnIndex, Decode, FromRow, Row, Type};

use crate::database::Database;
use crate::dialect::Dialect;
use crate::sql;
use crate::store_error::StoreError;
use crate::transaction::Tx;

/// Most rows of one statement.
const LARGEST: usize = 128;

/// A row of a table. [`table!`](crate::table!) writes the implementation.
pub trait TableRow: for<'r> FromRow<'r, AnyRow> + Send + Unpin {
    const TABLE: &'static str;
    /// As a SELECT lists them. [`FromRow`] reads them in this order.
    const COLUMNS: &'static str;
    /// All but the first: the database gives the id.
    const INSERTED: &'static str;
    const INSERTED_COUNT: usize;

    /// Binds what [`INSERTED`](Self::INSERTED) lists.
    ///
    /// # Errors
    /// None with the types that a column can have.
    fn bind(&self, arguments: &mut AnyArguments) -> Result<(), BoxDynError>;

    /// `SELECT <columns> FROM <table> <rest>`
    fn select(rest: &str) -> String {
        format!("SELECT {} FROM {} {rest}", Self::COLUMNS, Self::TABLE)
    }
}

/// The row with this value in this column.
///
/// # Errors
/// The database's.
pub async fn find<R: TableRow>(
    database: &Database,
    column: &'static str,
    value: i64,
) -> Result<Option<R>, StoreError> {
    let text = R::select(&format!("WHERE {column} = $1"));
    Ok(sqlx::query_as(AssertSqlSafe(text)).bind(value).fetch_optional(database.reader()).await?)
}

/// The rows with one of these values in this column, in no order. Sees what `tx` has written.
///
/// # Errors
/// The database's.
pub async fn find_all<R: TableRow>(
    tx: &mut Tx,
    column: &'static str,
    values: &[i64],
) -> Result<Vec<R>, StoreError> {
    let mut rows = Vec::with_capacity(values.len());
    for chunk in sql::chunks(values, LARGEST) {
        let listed = sql::placeholders(Dialect::of(tx), chunk.len());
        let text = R::select(&format!("WHERE {column} IN ({listed})"));
        let mut query = sqlx::query_as(AssertSqlSafe(text));
        for value in chunk {
            query = query.bind(*value);
        }
        rows.extend(query.fetch_all(&mut **tx).await?);
    }
    Ok(rows)
}

/// How many statements [`insert`] needs for so many rows; for [`Database::begin_for`].
pub fn statements(rows: usize) -> usize {
    sql::chunks(&vec![(); rows], LARGEST).count()
}

/// Inserts the rows, all columns but the first. `ending` follows the values: `ON CONFLICT`, `RETURNING`; what is returned
/// comes in no order.
///
/// # Errors
/// The database's.
pub async fn insert<'a, R, O>(
    connection: &mut AnyConnection,
    rows: &[&'a R],
    ending: &'static str,
) -> Result<Vec<O>, StoreError>
where
    R: TableRow,
    O: for<'r> FromRow<'r, AnyRow> + Send + Unpin,
{
    let dialect = Dialect::of(connection);
    let mut returned = Vec::with_capacity(rows.len());
    for chunk in sql::chunks(rows, LARGEST) {
        let values = sql::values(dialect, chunk.len(), R::INSERTED_COUNT);
        let text = format!("INSERT INTO {} ({}) VALUES {values} {ending}", R::TABLE, R::INSERTED);
        let mut arguments = AnyArguments::default();
        for row in chunk {
            row.bind(&mut arguments).map_err(sqlx::Error::Encode)?;
        }
        let query = sqlx::query_as_with(AssertSqlSafe(text), arguments);
        returned.extend(query.fetch_all(&mut *connection).await?);
    }
    Ok(returned)
}

/// Writes all columns of the row with this id.
///
/// # Errors
/// The database's.
pub async fn update<R: TableRow>(connection: &mut AnyConnection, row: &R, id: i64) -> Result<(), StoreError> {
    let columns = R::INSERTED.split(", ").enumerate();
    let columns: Vec<String> = columns.map(|(place, column)| format!("{column} = ${}", place + 1)).collect();
    let id_place = R::INSERTED_COUNT + 1;
    let text = format!("UPDATE {} SET {} WHERE id = ${id_place}", R::TABLE, columns.join(", "));
    let mut arguments = AnyArguments::default();
    row.bind(&mut arguments).and_then(|()| arguments.add(id)).map_err(sqlx::Error::Encode)?;
    sqlx::query_with(AssertSqlSafe(text), arguments).execute(connection).await?;
    Ok(())
}

/// For [`table!`](crate::table): the value at `place`, which then is the next one.
#[doc(hidden)]
pub fn take<'r, T>(row: &'r AnyRow, place: &mut usize) -> Result<T, sqlx::Error>
where
    usize: ColumnIndex<AnyRow>,
    T: Decode<'r, Any> + Type<Any>,
{
    let value = row.try_get(*place);
    *place += 1;
    value
}

/// Lists the columns of a table, and says where each value stands in a type.
///
/// The braces are read twice: as the expression that makes the type of the columns, and as the pattern that takes it apart.
/// So a column that is forgotten does not compile.
///
/// ```ignore
/// storage::table! {
///     "receipt" (id, user_id, price, status)
///     as Receipt { id, purchase: Purchase { user_id, price }, status }
/// }
/// ```
///
/// Where the columns need more than that, they make a type of their own, and the service translates:
///
/// ```ignore
/// storage::table! {
///     pub(super) struct PaymentRow in "payment" { id: i64, user_id: i64, status: Status, decline_code: Option<String> }
/// }
/// ```
#[macro_export]
macro_rules! table {
    ($table:literal ($id:ident, $second:ident $(, $column:ident)* $(,)?) as $row:ident { $($place:tt)* }) => {
        impl<'r> ::sqlx::FromRow<'r, ::sqlx::any::AnyRow> for $row {
            fn from_row(row: &'r ::sqlx::any::AnyRow) -> Result<Self, ::sqlx::Error> {
                let mut place = 0;
                let $id = $crate::table::take(row, &mut place)?;
                let $second = $crate::table::take(row, &mut place)?;
                $(let $column = $crate::table::take(row, &mut place)?;)*
                Ok($row { $($place)* })
            }
        }

        impl $crate::TableRow for $row {
            const TABLE: &'static str = $table;
            const COLUMNS: &'static str =
                concat!(stringify!($id), ", ", stringify!($second) $(, ", ", stringify!($column))*);
            const INSERTED: &'static str = concat!(stringify!($second) $(, ", ", stringify!($column))*);
            const INSERTED_COUNT: usize = [stringify!($second) $(, stringify!($column))*].len();

            fn bind(
                &self,
                arguments: &mut ::sqlx::any::AnyArguments,
            ) -> Result<(), ::sqlx::error::BoxDynError> {
                use ::sqlx::Arguments;
                let $row { $($place)* } = self;
                let _ = $id;
                arguments.add($second)?;
                $(arguments.add($column)?;)*
                Ok(())
            }
        }
    };
    ($(#[$meta:meta])* $visible:vis struct $row:ident in $table:literal { $($column:ident: $type:ty),* $(,)? }) => {
        $(#[$meta])*
        $visible struct $row {
            $($visible $column: $type,)*
        }

        $crate::table! { $table ($($column),*) as $row { $($column),* } }
    };
}

/// A type with `as_str` and `ALL` as a column of text. A text of none of `ALL` was written by another release: it is an error,
/// or the value behind `or`.
#[macro_export]
macro_rules! text_column {
    ($type:ty $(, or $unknown:expr)?) => {
        impl ::sqlx::Type<::sqlx::Any> for $type {
            fn type_info() -> ::sqlx::any::AnyTypeInfo {
                <str as ::sqlx::Type<::sqlx::Any>>::type_info()
            }
        }

        impl<'q> ::sqlx::Encode<'q, ::sqlx::Any> for $type {
            fn encode_by_ref(
                &self,
                buffer: &mut <::sqlx::Any as ::sqlx::Database>::ArgumentBuffer,
            ) -> Result<::sqlx::encode::IsNull, ::sqlx::error::BoxDynError> {
                ::sqlx::Encode::<::sqlx::Any>::encode(self.as_str(), buffer)
            }
        }

        impl<'r> ::sqlx::Decode<'r, ::sqlx::Any> for $type {
            fn decode(
                value: <::sqlx::Any as ::sqlx::Database>::ValueRef<'r>,
            ) -> Result<Self, ::sqlx::error::BoxDynError> {
                let text = <&str as ::sqlx::Decode<::sqlx::Any>>::decode(value)?;
                let known = Self::ALL.into_iter().find(|known| known.as_str() == text);
                $(let known = known.or(Some($unknown));)?
                known.ok_or_else(|| format!("'{text}' is unknown to this release").into())
            }
        }
    };
}
