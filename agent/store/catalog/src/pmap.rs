//! A persistent hash map: cloning is one reference count, and changing a clone copies only the path to the change.
//!
//! A plain hash array mapped trie with 32 children per node and safe code throughout. A state that others still
//! look at stays as it is while the next one is made; when nobody looks, changes happen in place.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use foldhash::fast::FixedState;

const BITS: u32 = 5;
const MASK: u64 = (1 << BITS) - 1;

/// A persistent hash map from `K` to `V`.
pub struct PMap<K, V> {
    root: Option<Arc<Node<K, V>>>,
    len: usize,
}

enum Node<K, V> {
    /// Children at the positions whose bit is set, in order of position.
    Branch { bits: u32, children: Vec<Arc<Node<K, V>>> },
    /// One entry, or several whose hashes agree down to the last level.
    Leaf { hash: u64, entries: Vec<(K, V)> },
}

impl<K: Clone, V: Clone> Clone for Node<K, V> {
    fn clone(&self) -> Self {
        match self {
            Self::Branch { bits, children } => Self::Branch { bits: *bits, children: children.clone() },
            Self::Leaf { hash, entries } => Self::Leaf { hash: *hash, entries: entries.clone() },
        }
    }
}

impl<K, V> Clone for PMap<K, V> {
    fn clone(&self) -> Self {
        Self { root: self.root.clone(), len: self.len }
    }
}

impl<K, V> Default for PMap<K, V> {
    fn default() -> Self {
        Self { root: None, len: 0 }
    }
}

impl<K: std::fmt::Debug, V: std::fmt::Debug> std::fmt::Debug for PMap<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

fn hash_of<Q: Hash + ?Sized>(key: &Q) -> u64 {
    FixedState::with_seed(0x5765_6972).hash_one(key)
}

const fn position(hash: u64, level: u32) -> u32 {
    ((hash >> (level * BITS)) & MASK) as u32
}

const fn index(bits: u32, position: u32) -> usize {
    (bits & ((1 << position) - 1)).count_ones() as usize
}

impl<K, V> PMap<K, V> {
    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All entries in no particular order.
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter { stack: self.root.iter().map(|root| (&**root, 0)).collect() }
    }

    /// All values in no particular order.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, v)| v)
    }
}

impl<K: Hash + Eq, V> PMap<K, V> {
    /// The value of `key`.
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let wanted = hash_of(key);
        let mut node = self.root.as_deref()?;
        for level in 0.. {
            match node {
                Node::Leaf { hash, entries } => {
                    return if *hash == wanted {
                        entries.iter().find(|(k, _)| k.borrow() == key).map(|(_, v)| v)
                    } else {
                        None
                    };
                }
                Node::Branch { bits, children } => {
                    let at = position(wanted, level);
                    if bits >> at & 1 == 0 {
                        return None;
                    }
                    node = children.get(index(*bits, at))?;
                }
            }
        }
        None
    }

    /// Whether `key` has a value.
    pub fn contains_key<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.get(key).is_some()
    }
}

impl<K: Hash + Eq + Clone, V: Clone> PMap<K, V> {
    /// Sets the value of `key`; gives the old one.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let hash = hash_of(&key);
        let old = match &mut self.root {
            None => {
                self.root = Some(Arc::new(Node::Leaf { hash, entries: vec![(key, value)] }));
                None
            }
            Some(root) => insert_at(root, 0, hash, key, value),
        };
        self.len += usize::from(old.is_none());
        old
    }

    /// A mutable reference to the value of `key`, for changes in place.
    pub fn get_mut<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        if !self.contains_key(key) {
            return None;
        }
        let wanted = hash_of(key);
        let mut node = self.root.as_mut()?;
        for level in 0.. {
            match Arc::make_mut(node) {
                Node::Leaf { entries, .. } => {
                    return entries.iter_mut().find(|(k, _)| (*k).borrow() == key).map(|(_, v)| v);
                }
                Node::Branch { bits, children } => {
                    node = children.get_mut(index(*bits, position(wanted, level)))?;
                }
            }
        }
        None
    }

    /// The value of `key` for changes in place, made if there is none.
    #[expect(clippy::expect_used, reason = "the line before makes sure that there is one")]
    pub fn get_or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        if !self.contains_key(&key) {
            self.insert(key.clone(), V::default());
        }
        self.get_mut(&key).expect("just inserted")
    }

    /// Removes the value of `key` and gives it.
    pub fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        if !self.contains_key(key) {
            return None;
        }
        let root = self.root.as_mut()?;
        let (old, is_empty) = remove_at(root, 0, hash_of(key), key);
        if is_empty {
            self.root = None;
        }
        self.len -= usize::from(old.is_some());
        old
    }
}

fn insert_at<K: Eq + Clone, V: Clone>(
    node: &mut Arc<Node<K, V>>,
    level: u32,
    hash: u64,
    key: K,
    value: V,
) -> Option<V> {
    // A leaf of another hash moves one level down until the two part. Level 12 holds the last bits, so hashes that
    // differ have parted by then and no shift reaches 64.
    if let Node::Leaf { hash: other, .. } = &**node
        && *other != hash
    {
        let other = *other;
        let below = Arc::clone(node);
        *node = Arc::new(Node::Branch { bits: 1 << position(other, level), children: vec![below] });
    }
    match Arc::make_mut(node) {
        Node::Leaf { entries, .. } => {
            if let Some((_, old)) = entries.iter_mut().find(|(k, _)| *k == key) {
                return Some(std::mem::replace(old, value));
            }
            entries.push((key, value));
            None
        }
        Node::Branch { bits, children } => {
            let at = position(hash, level);
            let i = index(*bits, at);
            if *bits >> at & 1 == 0 {
                *bits |= 1 << at;
                children.insert(i, Arc::new(Node::Leaf { hash, entries: vec![(key, value)] }));
                return None;
            }
            insert_at(&mut children[i], level + 1, hash, key, value)
        }
    }
}

/// Removes a key that is there; says also whether the node is empty now.
fn remove_at<K, V, Q>(node: &mut Arc<Node<K, V>>, level: u32, hash: u64, key: &Q) -> (Option<V>, bool)
where
    K: Clone + Borrow<Q>,
    V: Clone,
    Q: Eq + ?Sized,
{
    match Arc::make_mut(node) {
        Node::Leaf { entries, .. } => {
            let old = entries.iter().position(|(k, _)| k.borrow() == key).map(|i| entries.swap_remove(i).1);
            (old, entries.is_empty())
        }
        Node::Branch { bits, children } => {
            let at = position(hash, level);
            let i = index(*bits, at);
            let Some(child) = children.get_mut(i) else { return (None, false) };
            let (old, is_empty) = remove_at(child, level + 1, hash, key);
            if is_empty {
                children.remove(i);
                *bits &= !(1 << at);
            }
            (old, children.is_empty())
        }
    }
}

/// Iterator over a [`PMap`].
pub struct Iter<'a, K, V> {
    stack: Vec<(&'a Node<K, V>, usize)>,
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (node, at) = self.stack.last_mut()?;
            let i = *at;
            *at += 1;
            match node {
                Node::Leaf { entries, .. } => match entries.get(i) {
                    Some((k, v)) => return Some((k, v)),
                    None => self.stack.pop(),
                },
                Node::Branch { children, .. } => match children.get(i) {
                    Some(child) => {
                        let child = &**child;
                        self.stack.push((child, 0));
                        None
                    }
                    None => self.stack.pop(),
                },
            };
        }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> FromIterator<(K, V)> for PMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(iter: I) -> Self {
        let mut map = Self::default();
        for (k, v) in iter {
            map.insert(k, v);
        }
        map
    }
}

impl<K: Hash + Eq, V: PartialEq> PartialEq for PMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().all(|(k, v)| other.get(k) == Some(v))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// A key whose hash has few values, so that whole hashes collide.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Colliding(u16);

    impl Hash for Colliding {
        fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
            (self.0 % 7).hash(state);
        }
    }

    fn check<K: Hash + Eq + Clone + Copy + std::fmt::Debug>(actions: &[(bool, K, u32)]) {
        let mut map = PMap::default();
        let mut plain = HashMap::new();
        let mut older: Vec<(PMap<K, u32>, HashMap<K, u32>)> = Vec::new();
        for (i, (insert, key, value)) in actions.iter().enumerate() {
            if *insert {
                assert_eq!(map.insert(*key, *value), plain.insert(*key, *value));
            } else {
                assert_eq!(map.remove(key), plain.remove(key));
            }
            if let (Some(a), Some(b)) = (map.get_mut(key), plain.get_mut(key)) {
                *a = a.wrapping_add(1);
                *b = b.wrapping_add(1);
            }
            if i % 16 == 0 {
                older.push((map.clone(), plain.clone()));
            }
        }
        older.push((map, plain));
        for (map, plain) in older {
            assert_eq!(map.len(), plain.len());
            assert_eq!(map.iter().map(|(k, v)| (*k, *v)).collect::<HashMap<_, _>>(), plain);
            assert!(plain.iter().all(|(k, v)| map.get(k) == Some(v)));
        }
    }

    proptest! {
        #[test]
        fn behaves_as_a_hash_map_and_older_clones_stay(
            actions in proptest::collection::vec((any::<bool>(), 0u16..300, any::<u32>()), 0..400)
        ) {
            check(&actions);
            let colliding: Vec<_> = actions.iter().map(|(i, k, v)| (*i, Colliding(*k), *v)).collect();
            check(&colliding);
        }
    }
}
