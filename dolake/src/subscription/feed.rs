//! Reading the tail for one subscriber.

use std::rc::Rc;

use lake_api::ErrorCode;
use lake_api::limits::UNACKNOWLEDGED_BATCHES_MAX;
use lake_api::subscribe::{Event, Operation, RelationColumn, ServerMessage};
use lake_host::{ShardStorage, planted};

use super::encode::{Images, iso};
use super::state::{Subscriber, SubscriberReply};
use crate::error::LakeError;
use crate::flush::transaction_id;
use crate::lake::Lake;
use crate::limits::{FEED_BLOBS_MAX, SUBSCRIBER_BATCH_BYTES, SUBSCRIBER_TURN_BYTES};
use crate::stored::{Shape, TailBlob, TailEntry, TailTransaction};
use crate::tail::read_next;

/// Bytes of an event besides its images, about.
const ENVELOPE_BYTES: usize = 512;

impl<S: ShardStorage> Lake<S> {
    /// What can be sent to a subscriber now. Call it after the tail has grown; acknowledgements call it themselves.
    ///
    /// If `SubscriberReply::messages` is not empty, the subscriber may have more to come at once: its acknowledgements
    /// fetch it.
    pub fn feed(&self, subscriber: &mut Subscriber, now: i64) -> Result<SubscriberReply, LakeError> {
        let mut reply = SubscriberReply::default();
        let earliest = self.state().meta.earliest;
        if subscriber.position < earliest {
            let message = format!("the position {} is older than what is kept", subscriber.position);
            reply.fail(ErrorCode::PositionExpired, message, Some(earliest))?;
            return Ok(reply);
        }
        let start = subscriber.position;
        for _ in 0..FEED_BLOBS_MAX {
            if subscriber.in_flight.len() >= UNACKNOWLEDGED_BATCHES_MAX {
                return Ok(reply);
            }
            let Some(blob) = self.blob_after(subscriber.position)? else { break };
            let mut batch =
                Batch { lake: self, subscriber, reply: &mut reply, now, blob: &blob, events: Vec::new(), bytes: 0 };
            if !batch.read_blob()? {
                return Ok(reply);
            }
        }
        let is_idle = reply.messages.is_empty() && subscriber.in_flight.is_empty();
        if is_idle && subscriber.position > start {
            reply.push(&ServerMessage::Progress { position: subscriber.position.to_string() })?;
        }
        Ok(reply)
    }

    /// The blob with the change after `position`.
    fn blob_after(&self, position: u64) -> Result<Option<Rc<TailBlob>>, LakeError> {
        let cached = {
            let state = self.state();
            let index = state.tail.iter().find(|index| index.end > position);
            // The first blob that is not flushed is the right one only if the one before it does not reach so far.
            index.filter(|_| position >= state.meta.flushed).and_then(|index| state.cache.get(index.blob))
        };
        if let Some(blob) = cached {
            return Ok(Some(blob));
        }
        let found = read_next(&self.storage, position + 1, 0)?;
        found.map(|(_, _, bytes)| TailBlob::decode(&bytes).map(Rc::new)).transpose()
    }
}

/// Events of one blob on their way into messages.
struct Batch<'a, S> {
    lake: &'a Lake<S>,
    subscriber: &'a mut Subscriber,
    reply: &'a mut SubscriberReply,
    now: i64,
    blob: &'a TailBlob,
    events: Vec<Event>,
    bytes: usize,
}

impl<S: ShardStorage> Batch<'_, S> {
    /// False if the subscriber has enough on its way.
    fn read_blob(&mut self) -> Result<bool, LakeError> {
        let blob = self.blob;
        let mut position = blob.base;
        for transaction in &blob.transactions {
            let count = transaction.entries.iter().filter(|entry| entry.is_change()).count();
            // A transaction that does not fit the open batch begins the next one.
            let is_full = self.events.len() + count > self.subscriber.batch_size as usize;
            if is_full && !self.emit(position)? {
                if planted!("subscriber: the cursor runs ahead") {
                    self.subscriber.position = position + count as u64;
                }
                return Ok(false);
            }
            for entry in &transaction.entries {
                position += u64::from(entry.is_change());
                if entry.is_change()
                    && (position > self.subscriber.position
                        || planted!("subscriber: what was acknowledged comes again"))
                    && !self.add(transaction, entry, position)?
                {
                    return Ok(false);
                }
            }
        }
        if !self.emit(position)? {
            return Ok(false);
        }
        self.subscriber.position = self.subscriber.position.max(position);
        Ok(true)
    }

    /// Adds a change if the subscriber wants it; false if it has enough on its way.
    fn add(&mut self, transaction: &TailTransaction, entry: &TailEntry, position: u64) -> Result<bool, LakeError> {
        let (operation, number) = match entry {
            TailEntry::Insert { shape, .. } => (Operation::Insert, *shape),
            TailEntry::Update { shape, .. } => (Operation::Update, *shape),
            TailEntry::Delete { shape, .. } => (Operation::Delete, *shape),
            TailEntry::DropTable { .. } | TailEntry::EndOfShard => return Ok(true),
        };
        if !self.subscriber.wants(operation) {
            return Ok(true);
        }
        let shape = self.lake.shape(number)?;
        let (namespace, table, key) = {
            let state = self.lake.state();
            let Some(table) = state.tables.get(&shape.table) else { return Ok(true) };
            let key = shape.key.iter().filter_map(|index| shape.fields.get(*index)).map(|field| field.name.clone());
            (table.namespace.clone(), table.name.clone(), key.collect::<Vec<String>>())
        };
        if !self.subscriber.wants_table(&namespace, &table) {
            return Ok(true);
        }
        if self.subscriber.relations.get(&shape.table) != Some(&number) {
            if !self.emit(position - 1)? {
                return Ok(false);
            }
            self.tell_relation(number, &shape, &namespace, &table, key)?;
        }
        let (before, after) = match entry {
            TailEntry::Insert { after, .. } => (None, Some(after)),
            TailEntry::Update { before, after, .. } => (Some(before), Some(after)),
            TailEntry::Delete { before, .. } => (Some(before), None),
            TailEntry::DropTable { .. } | TailEntry::EndOfShard => (None, None),
        };
        let images = Images::of(&shape, before, after)?;
        self.bytes += ENVELOPE_BYTES + images.bytes;
        self.events.push(Event {
            position: position.to_string(),
            namespace,
            table,
            operation,
            timestamp: iso(transaction.stamp.0),
            shard: self.lake.state().shard_name(self.blob.shard).unwrap_or_default().to_owned(),
            lsn: transaction.lsn.to_string(),
            transaction_id: transaction_id(self.blob.timeline, transaction.lsn.get()),
            too_large: images.too_large,
            before: images.before,
            after: images.after,
        });
        let is_full = self.events.len() >= self.subscriber.batch_size as usize || self.bytes >= SUBSCRIBER_BATCH_BYTES;
        if is_full { self.emit(position) } else { Ok(true) }
    }

    fn tell_relation(
        &mut self,
        number: u32,
        shape: &Shape,
        namespace: &str,
        table: &str,
        key: Vec<String>,
    ) -> Result<(), LakeError> {
        self.subscriber.keep_relation(shape.table, number);
        let columns = shape.fields.iter();
        let columns = columns.map(|f| RelationColumn { name: f.name.clone(), type_name: f.column_type.pg_name() });
        self.reply.push(&ServerMessage::Relation {
            namespace: namespace.to_owned(),
            table: table.to_owned(),
            columns: columns.collect(),
            key,
        })
    }

    /// Sends the open batch, which reaches to `position`; false if no more may be on its way.
    fn emit(&mut self, position: u64) -> Result<bool, LakeError> {
        if self.events.is_empty() {
            return Ok(true);
        }
        self.subscriber.sequence_number += 1;
        self.subscriber.position = position;
        self.subscriber.in_flight.push_back(position);
        self.bytes = 0;
        let events = std::mem::take(&mut self.events);
        let source = events.first().map(|event| event.shard.clone()).unwrap_or_default();
        self.reply.push(&ServerMessage::Batch {
            events,
            position: position.to_string(),
            sequence_number: self.subscriber.sequence_number,
            timestamp: iso(self.now),
            source,
        })?;
        let bytes = self.reply.messages.iter().map(String::len).sum::<usize>();
        Ok(self.subscriber.in_flight.len() < UNACKNOWLEDGED_BATCHES_MAX && bytes < SUBSCRIBER_TURN_BYTES)
    }
}
