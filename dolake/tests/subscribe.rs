//! A subscriber sees each change once, in order, from its cursor on.

#![allow(clippy::unwrap_used)]

mod support;

use lake_dolake::limits::{
    SUBSCRIBED_NAMES_BYTES_MAX, SUBSCRIBED_TABLES_MAX, SUBSCRIBER_BYTES_MAX, SUBSCRIBER_MESSAGE_BYTES_MAX,
    SUBSCRIBER_TURN_BYTES,
};
use lake_dolake::{Lake, Subscriber};
use lake_host::Clock;
use lake_test_host::MemoryStorage;
use serde_json::{Value, json};
use support::shard::Shard;
use support::{World, send_all};

struct Client {
    state: Option<Subscriber>,
    /// Everything that was sent to it.
    messages: Vec<Value>,
    closed: bool,
}

impl Client {
    fn subscribe(world: &World, lake: &Lake<MemoryStorage>, message: Value) -> Client {
        let mut client = Client { state: None, messages: vec![], closed: false };
        client.say(world, lake, message);
        client
    }

    fn say(&mut self, world: &World, lake: &Lake<MemoryStorage>, message: Value) {
        self.say_text(world, lake, &message.to_string());
    }

    fn say_text(&mut self, world: &World, lake: &Lake<MemoryStorage>, text: &str) {
        let may_read = |namespace: &str, _: Option<&str>| namespace == "default";
        let now = world.clock.now_micros();
        let reply = lake.subscriber_message(&mut self.state, text, may_read, now).unwrap();
        self.take(reply.messages);
        self.closed |= reply.close.is_some();
    }

    fn take(&mut self, messages: Vec<String>) {
        self.messages.extend(messages.iter().map(|text| serde_json::from_str::<Value>(text).unwrap()));
        // The state travels through the socket's attachment between any two events.
        let attachment = serde_json::to_vec(&self.state).unwrap();
        assert!(attachment.len() <= SUBSCRIBER_BYTES_MAX);
        self.state = serde_json::from_slice(&attachment).unwrap();
    }

    fn feed(&mut self, world: &World, lake: &Lake<MemoryStorage>) {
        let reply = lake.feed(self.state.as_mut().unwrap(), world.clock.now_micros()).unwrap();
        self.closed |= reply.close.is_some();
        self.take(reply.messages);
    }

    /// Acknowledges whatever comes until nothing more does.
    fn drain(&mut self, world: &World, lake: &Lake<MemoryStorage>) {
        self.feed(world, lake);
        loop {
            let before = self.messages.len();
            let Some(position) = self.last("batch").map(|batch| batch["position"].clone()) else { return };
            self.say(world, lake, json!({"type": "ack", "position": position}));
            if self.messages.len() == before {
                return;
            }
        }
    }

    fn last(&self, kind: &str) -> Option<&Value> {
        self.messages.iter().rev().find(|message| message["type"] == kind)
    }

    fn count(&self, kind: &str) -> usize {
        self.messages.iter().filter(|message| message["type"] == kind).count()
    }

    fn positions(&self) -> Vec<u64> {
        let batches = self.messages.iter().filter(|message| message["type"] == "batch");
        let events = batches.flat_map(|batch| batch["events"].as_array().unwrap().clone());
        events.map(|event| event["position"].as_str().unwrap().parse().unwrap()).collect()
    }
}

fn filled() -> (World, Lake<MemoryStorage>, Shard) {
    let world = World::new(40);
    let lake = world.open();
    let shard = Shard::with_rows("default", 1, 0..30);
    send_all(&world, &lake, &shard);
    (world, lake, shard)
}

fn all() -> Value {
    json!({"type": "subscribe", "fromPosition": "0"})
}

#[test]
fn the_start_is_told_then_the_relation_then_the_changes() {
    let (world, lake, _) = filled();
    let client = Client::subscribe(&world, &lake, all());
    let kinds = client.messages.iter().map(|message| message["type"].as_str().unwrap()).collect::<Vec<&str>>();
    assert_eq!(kinds, ["subscribed", "relation", "batch"]);
    assert_eq!(client.messages[0]["position"], "0");
    let columns = json!([{"name": "id", "type": "int8"}, {"name": "note", "type": "text"}]);
    assert_eq!(client.messages[1]["columns"], columns);
    assert_eq!(client.messages[1]["key"], json!(["id"]));
    let event = &client.messages[2]["events"][3];
    assert_eq!(event["after"], json!({"id": "3", "note": "default 3"}));
    assert_eq!(event["position"], "4");
    assert_eq!(client.messages[2]["position"], "30");
}

#[test]
fn without_a_position_only_what_comes_is_sent() {
    let (world, lake, mut shard) = filled();
    let mut client = Client::subscribe(&world, &lake, json!({"type": "subscribe"}));
    assert_eq!(client.messages.len(), 1);
    shard.put("orders", 1, Some("changed"));
    shard.put("orders", 2, None);
    shard.commit();
    send_all(&world, &lake, &shard);
    client.drain(&world, &lake);
    assert_eq!(client.positions(), [31, 32]);
    let events = &client.last("batch").unwrap()["events"];
    assert_eq!(events[0]["before"]["note"], "default 1");
    assert_eq!(events[0]["after"]["note"], "changed");
    assert_eq!((&events[1]["operation"], events[1].get("after")), (&json!("DELETE"), None));
}

#[test]
fn a_client_that_does_not_acknowledge_gets_eight_batches() {
    let (world, lake, _) = filled();
    let mut client =
        Client::subscribe(&world, &lake, json!({"type": "subscribe", "fromPosition": "0", "batchSize": 3}));
    client.feed(&world, &lake);
    assert_eq!(client.count("batch"), 8);
    client.drain(&world, &lake);
    assert_eq!(client.positions(), (1..=30).collect::<Vec<u64>>());
}

#[test]
fn a_cursor_goes_on_where_it_was_before_and_after_flushes_and_crashes() {
    let (world, lake, mut shard) = filled();
    let first = Client::subscribe(&world, &lake, json!({"type": "subscribe", "fromPosition": "0", "batchSize": 7}));
    let seen = first.positions().len() as u64;
    world.flush(&lake).unwrap();
    shard.put("orders", 1, Some("changed"));
    shard.commit();
    send_all(&world, &lake, &shard);
    drop(lake);
    let lake = world.open();
    let message = json!({"type": "subscribe", "fromPosition": seen.to_string()});
    let mut second = Client::subscribe(&world, &lake, message);
    second.drain(&world, &lake);
    assert_eq!(second.positions(), (seen + 1..=31).collect::<Vec<u64>>());
}

#[test]
fn filters_hide_changes_and_progress_moves_the_cursor_past_them() {
    let (world, lake, mut shard) = filled();
    let message = json!({"type": "subscribe", "tables": ["customers"], "operations": ["INSERT"], "fromPosition": "0"});
    let mut client = Client::subscribe(&world, &lake, message);
    assert_eq!(client.last("progress").unwrap()["position"], "30");
    shard.create("customers");
    shard.put("customers", 1, Some("a"));
    shard.put("customers", 1, Some("b"));
    shard.commit();
    send_all(&world, &lake, &shard);
    client.drain(&world, &lake);
    assert_eq!(client.positions(), [31]);
}

#[test]
fn positions_outside_of_what_is_kept_are_errors_with_codes() {
    let (world, lake, _) = filled();
    let unknown = Client::subscribe(&world, &lake, json!({"type": "subscribe", "fromPosition": "31"}));
    assert_eq!(unknown.messages[0]["code"], "position_unknown");
    world.flush(&lake).unwrap();
    world.clock.advance_ms(25 * 3_600_000);
    let mut shard = Shard::with_rows("other", 2, 0..3);
    shard.commit();
    send_all(&world, &lake, &shard);
    world.flush(&lake).unwrap();
    let expired = Client::subscribe(&world, &lake, json!({"type": "subscribe", "fromPosition": "3"}));
    assert_eq!(expired.messages[0]["code"], "position_expired");
    assert_eq!(expired.messages[0]["earliest"], "30");
    assert!(expired.closed);
    let mut kept = Client::subscribe(&world, &lake, json!({"type": "subscribe", "fromPosition": "30"}));
    kept.drain(&world, &lake);
    assert_eq!(kept.positions(), [31, 32, 33]);
}

#[test]
fn bad_messages_and_foreign_namespaces_are_refused() {
    let (world, lake, _) = filled();
    let check = |message: Value, code: &str| {
        let client = Client::subscribe(&world, &lake, message);
        assert_eq!(client.messages[0]["code"], code);
        assert!(client.closed && client.state.is_none());
    };
    check(json!({"type": "ack", "position": "1"}), "invalid");
    check(json!({"type": "subscribe", "fromPosition": "x"}), "invalid");
    check(json!({"type": "subscribe", "tables": []}), "invalid");
    check(json!({"type": "subscribe", "namespace": "secret"}), "forbidden");
    check(json!({"type": "subscribe", "tables": ["secret.orders"]}), "forbidden");
}

#[test]
fn a_message_is_read_up_to_its_bound_and_refused_beyond() {
    let (world, lake, _) = filled();
    // Spaces behind a message belong to it.
    let of_length = |length: usize| {
        let text = all().to_string();
        let spaces = " ".repeat(length - text.len());
        text + &spaces
    };
    let mut client = Client { state: None, messages: vec![], closed: false };
    client.say_text(&world, &lake, &of_length(SUBSCRIBER_MESSAGE_BYTES_MAX));
    assert_eq!(client.messages[0]["type"], "subscribed");
    // Also when it has subscribed: a message is measured before it is read.
    for subscribed in [true, false] {
        let mut client = Client { state: client.state.clone().filter(|_| subscribed), messages: vec![], closed: false };
        client.say_text(&world, &lake, &of_length(SUBSCRIBER_MESSAGE_BYTES_MAX + 1));
        assert_eq!(client.messages[0]["code"], "body_too_large");
        assert_eq!(client.messages[0]["message"], "a message has at most 65536 bytes, this one 65537");
        assert_eq!(client.messages[0]["retryable"], false);
        assert!(client.closed && client.messages.len() == 1);
    }
}

#[test]
fn a_kind_that_is_named_again_and_again_is_kept_once() {
    let (world, lake, mut shard) = filled();
    let operations = vec!["DELETE"; 6_000];
    let message = json!({"type": "subscribe", "operations": operations, "fromPosition": "30"});
    let mut client = Client::subscribe(&world, &lake, message);
    assert_eq!(client.messages[0]["type"], "subscribed");
    shard.put("orders", 1, Some("changed"));
    shard.put("orders", 2, None);
    shard.commit();
    send_all(&world, &lake, &shard);
    client.drain(&world, &lake);
    assert_eq!(client.positions(), [32]);
}

#[test]
fn tables_are_taken_up_to_their_bounds_and_refused_beyond() {
    let (world, lake, _) = filled();
    let subscribe = |count: usize, name: &str| {
        let tables = (0..count).map(|number| format!("{number:02}{name}")).collect::<Vec<String>>();
        Client::subscribe(&world, &lake, json!({"type": "subscribe", "tables": tables}))
    };
    let longest = "n".repeat(61);
    assert_eq!(subscribe(SUBSCRIBED_TABLES_MAX, &longest).messages[0]["type"], "subscribed");
    let refused = subscribe(SUBSCRIBED_TABLES_MAX + 1, &longest);
    assert_eq!(refused.messages[0]["message"], "a subscription names between 1 and 50 tables");
    // JSON takes six bytes for each of these.
    let refused = subscribe(SUBSCRIBED_TABLES_MAX, &"\u{1}".repeat(61));
    let message = refused.messages[0]["message"].as_str().unwrap();
    assert!(message.contains(&format!("at most {SUBSCRIBED_NAMES_BYTES_MAX} bytes")), "{message}");
    assert!(refused.closed && refused.state.is_none());
}

#[test]
fn a_change_that_is_too_large_for_a_message_comes_with_its_key() {
    let (world, lake, mut shard) = filled();
    let mut client = Client::subscribe(&world, &lake, json!({"type": "subscribe"}));
    shard.put("orders", 100, Some(&"\u{1}".repeat(2 << 20)));
    shard.put("orders", 100, Some("small"));
    shard.put("orders", 101, Some(&"x".repeat(3 << 20)));
    shard.commit();
    send_all(&world, &lake, &shard);
    client.drain(&world, &lake);
    assert_eq!(client.positions(), [31, 32, 33]);
    let batches = client.messages.iter().filter(|message| message["type"] == "batch");
    let events = batches.flat_map(|batch| batch["events"].as_array().unwrap()).collect::<Vec<&Value>>();
    let key = json!({"id": "100"});
    assert_eq!((&events[0]["tooLarge"], &events[0]["after"]), (&json!(true), &key));
    assert_eq!((&events[1]["before"], &events[1]["after"]), (&key, &key), "one image is too large for both");
    assert_eq!((events[2].get("tooLarge"), events[2]["after"]["note"].as_str().map(str::len)), (None, Some(3 << 20)));
}

#[test]
fn what_is_sent_at_once_is_bounded_and_acknowledgements_fetch_the_rest() {
    let (world, lake, mut shard) = filled();
    let mut client = Client::subscribe(&world, &lake, json!({"type": "subscribe"}));
    for id in 100..115 {
        shard.put("orders", id, Some(&"x".repeat(900_000)));
    }
    shard.commit();
    send_all(&world, &lake, &shard);
    let before = client.messages.len();
    client.feed(&world, &lake);
    let bytes = client.messages[before..].iter().map(|message| message.to_string().len()).sum::<usize>();
    assert!((SUBSCRIBER_TURN_BYTES..SUBSCRIBER_TURN_BYTES + (2 << 20)).contains(&bytes), "{bytes}");
    client.drain(&world, &lake);
    assert_eq!(client.positions(), (31..=45).collect::<Vec<u64>>());
}
