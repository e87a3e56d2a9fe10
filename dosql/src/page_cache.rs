//! A bounded cache of pages that are the same as their stored image.
//!
//! Second chance: a hand goes round, spares what was used since it last came by, and evicts the next.

use std::collections::HashMap;
use std::rc::Rc;

use crate::storage::page_image::Page;

/// The cache.
pub(crate) struct PageCache {
    slots: Vec<Slot>,
    index: HashMap<u32, usize>,
    hand: usize,
    pages_max: usize,
}

struct Slot {
    number: u32,
    page: Rc<Page>,
    used: bool,
}

impl PageCache {
    /// Keeps at most `pages_max` pages.
    pub(crate) fn new(pages_max: usize) -> PageCache {
        PageCache { slots: Vec::new(), index: HashMap::new(), hand: 0, pages_max }
    }

    /// A page, if it is here.
    pub(crate) fn find(&mut self, number: u32) -> Option<Rc<Page>> {
        let slot = self.slots.get_mut(*self.index.get(&number)?)?;
        slot.used = true;
        Some(Rc::clone(&slot.page))
    }

    /// Keeps a page in place of another.
    pub(crate) fn keep(&mut self, number: u32, page: Rc<Page>) {
        let slot = Slot { number, page, used: false };
        if let Some(at) = self.index.get(&number) {
            if let Some(kept) = self.slots.get_mut(*at) {
                *kept = slot;
            }
        } else if self.slots.len() < self.pages_max {
            self.index.insert(number, self.slots.len());
            self.slots.push(slot);
        } else if let Some(at) = self.evict() {
            self.index.insert(number, at);
            self.slots[at] = slot;
        }
    }

    /// Forgets every page.
    pub(crate) fn clear(&mut self) {
        *self = PageCache::new(self.pages_max);
    }

    /// Pages kept.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    fn evict(&mut self) -> Option<usize> {
        loop {
            let at = self.hand;
            self.hand = if at + 1 < self.slots.len() { at + 1 } else { 0 };
            let slot = self.slots.get_mut(at)?;
            if !slot.used {
                self.index.remove(&slot.number);
                return Some(at);
            }
            slot.used = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::PAGE_BYTES;

    fn page(value: u8) -> Rc<Page> {
        Rc::new([value; PAGE_BYTES])
    }

    #[test]
    fn what_was_used_survives_what_was_not() {
        let mut cache = PageCache::new(2);
        cache.keep(1, page(1));
        cache.keep(2, page(2));
        assert!(cache.find(1).is_some());
        cache.keep(3, page(3));
        assert!(cache.find(2).is_none());
        assert_eq!(cache.find(1).map(|page| page[0]), Some(1));
        assert_eq!(cache.find(3).map(|page| page[0]), Some(3));
        assert_eq!(cache.len(), 2);
    }

    #[test]
    fn a_page_that_is_kept_again_is_the_new_one() {
        let mut cache = PageCache::new(2);
        cache.keep(1, page(1));
        cache.keep(1, page(9));
        assert_eq!(cache.find(1).map(|page| page[0]), Some(9));
        assert_eq!(cache.len(), 1);
    }
}
