//! The shapes that are in memory: all are in storage, and those that were used last are here.

use std::collections::HashMap;
use std::rc::Rc;

use crate::limits::SHAPE_CACHE_BYTES_MAX;
use crate::stored::Shape;

/// Shapes by their number, up to a number of bytes.
#[derive(Default)]
pub(crate) struct ShapeCache {
    shapes: HashMap<u32, Rc<Shape>>,
    bytes: usize,
}

impl ShapeCache {
    pub(crate) fn get(&self, number: u32) -> Option<Rc<Shape>> {
        self.shapes.get(&number).cloned()
    }

    /// Remembers a shape, if need be instead of all others.
    pub(crate) fn insert(&mut self, number: u32, shape: Rc<Shape>) {
        let bytes = shape.bytes();
        if self.bytes + bytes > SHAPE_CACHE_BYTES_MAX {
            *self = ShapeCache::default();
        }
        if self.shapes.insert(number, shape).is_none() {
            self.bytes += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use lake_cdc::ColumnType;

    use super::*;
    use crate::stored::ShapeField;

    fn wide(table: u32) -> Rc<Shape> {
        let field = |id: i32| ShapeField { field_id: id, name: "x".repeat(60), column_type: ColumnType::Int8 };
        Rc::new(Shape { table, fields: (0..500).map(field).collect(), key: vec![0] })
    }

    #[test]
    fn it_keeps_what_was_used_last_within_its_bound() {
        let mut cache = ShapeCache::default();
        let mut most = 0;
        for number in 0..1_000 {
            cache.insert(number, wide(number));
            cache.insert(number, wide(number));
            most = most.max(cache.shapes.len());
            assert!(cache.bytes <= SHAPE_CACHE_BYTES_MAX, "{}", cache.bytes);
            assert_eq!(cache.bytes, cache.shapes.values().map(|shape| shape.bytes()).sum::<usize>());
            assert_eq!(cache.get(number).map(|shape| shape.table), Some(number));
        }
        assert!((20..100).contains(&most), "{most}");
    }
}
