//! What a shard tells the lake: positions, column types, relations, row changes, and their bytes.
//!
//! The bytes defined here travel between scripts that are deployed apart and lie in stored blobs, so every
//! layout is versioned and pinned by golden fixtures. Nothing here does I/O or reads a clock.

mod bytes;
mod change;
mod column_type;
mod frame;
pub mod limits;
mod numeric;
mod past;
mod position;
mod relation;
pub mod text;
mod transaction;
mod value;
mod view;

pub use bytes::{DecodeError, Reader, Writer};
pub use change::{Change, Row};
pub use column_type::ColumnType;
pub use frame::{Frame, Hello, HelloReply, PROTOCOL_VERSION_MAX, PROTOCOL_VERSION_MIN, RefusalReason, TransactionPart};
pub use numeric::{Numeric, NumericError};
pub use past::{Alteration, Before, Gap, Point, Removal, ViewPast};
pub use position::{LakePosition, Lsn, Micros, TimelineId};
pub use relation::{Column, ColumnId, Relation, TableId, is_reserved_column, refuse_table_name};
pub use transaction::{Entry, Transaction};
pub use value::Value;
pub use view::{TailChange, TailOperation, View, ViewField, ViewRequest, ViewTable};
