//! The records in memory, and every change to them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use subtle::ConstantTimeEq;
use weir_model::TimestampNs;

use crate::VerifyError;
use crate::record::{Grant, Identity, Record, RecordStore, RecordStoreError, TokenRecord};
use crate::secret::{CHARS_MAX, Digest, Secret, SecretError};

/// Longest name of a token, characters.
const NAME_CHARS_MAX: usize = 128;
/// Most tokens: all of them are in memory.
const TOKENS_MAX: usize = 100_000;

/// Knows all tokens. Shared by every listener.
pub struct Authority {
    store: Box<dyn RecordStore>,
    /// Read by every request, replaced by every change.
    tokens: RwLock<Arc<Tokens>>,
    /// Held while a change is written, so that changes follow each other. Taken before `tokens`.
    change: Mutex<()>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, Default)]
struct Tokens {
    by_digest: HashMap<Digest, Arc<Token>>,
}

#[derive(Clone, Debug)]
struct Token {
    id: String,
    digest: Digest,
    identity: Arc<Identity>,
    is_operator: bool,
    created: TimestampNs,
    expires: Option<TimestampNs>,
}

/// A token to make.
#[derive(Clone, Debug, Default)]
pub struct NewToken {
    /// What it is for; shown in lists and logs.
    pub name: String,
    /// What it allows.
    pub grants: Vec<Grant>,
    /// Whether it allows everything.
    pub is_admin: bool,
    /// When it stops working.
    pub expires: Option<TimestampNs>,
    /// Its text; random if absent.
    pub secret: Option<Secret>,
}

/// A token just made; the only moment at which its text is known.
#[derive(Clone, Debug)]
pub struct CreatedToken {
    /// Its id, for lists and revocation.
    pub id: String,
    /// Its text.
    pub secret: Secret,
}

/// A token as lists show it.
#[derive(Clone, Debug)]
pub struct TokenView {
    /// Its id.
    pub id: String,
    /// Whom it stands for.
    pub identity: Arc<Identity>,
    /// Whether it was made at the first start.
    pub is_operator: bool,
    /// When it was made.
    pub created: TimestampNs,
    /// When it stops working.
    pub expires: Option<TimestampNs>,
}

/// What [`Authority::ensure_operator`] found or did.
#[derive(Clone, Debug)]
pub enum Operator {
    /// There was one, and it is the given one if one was given.
    Kept,
    /// It was made just now, from the given text or at random.
    Created(CreatedToken),
}

/// Why a change is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// The records cannot be read or written.
    #[error("token records: {0}")]
    Store(#[from] RecordStoreError),
    /// The text of the token is not acceptable.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A record is damaged or comes from a newer version.
    #[error("token record \"{key}\" cannot be understood ({why}); it may come from a newer version of weir")]
    Damaged {
        /// Its key.
        key: String,
        /// What is wrong.
        why: String,
    },
    /// The name is empty, too long, or holds control characters.
    #[error("a token needs a name of 1 to {NAME_CHARS_MAX} printable characters")]
    Name,
    /// It would allow nothing.
    #[error("the token would allow nothing; give it a database to read or write")]
    NoGrants,
    /// There is one with that text.
    #[error("this token exists already, named \"{0}\"")]
    Exists(String),
    /// No such token.
    #[error("there is no token with id \"{0}\"")]
    NotFound(String),
    /// No more than the limit.
    #[error("there are {TOKENS_MAX} tokens already; revoke some")]
    TooMany,
}

impl Authority {
    /// Reads all records.
    ///
    /// # Errors
    /// [`AuthorityError::Store`] or [`AuthorityError::Damaged`].
    pub fn open(store: Box<dyn RecordStore>) -> Result<Self, AuthorityError> {
        let mut tokens = Tokens::default();
        for (key, bytes) in store.load_all()? {
            let token = Token::from_record(&key, &bytes)?;
            tokens.by_digest.insert(token.digest, Arc::new(token));
        }
        Ok(Self { store, tokens: RwLock::new(Arc::new(tokens)), change: Mutex::new(()) })
    }

    /// Whose token this is.
    ///
    /// # Errors
    /// [`VerifyError::Unknown`] or [`VerifyError::Expired`].
    pub fn verify(&self, token: &str, now: TimestampNs) -> Result<Arc<Identity>, VerifyError> {
        if token.len() > CHARS_MAX {
            return Err(VerifyError::Unknown);
        }
        let digest = Digest::of(token);
        let tokens = self.current();
        // The lookup compares digests, which a caller cannot steer; the final word is spoken in constant time.
        match tokens.by_digest.get(&digest) {
            Some(found) if bool::from(found.digest.0.ct_eq(&digest.0)) => match found.expires {
                Some(end) if end <= now => Err(VerifyError::Expired),
                _ => Ok(Arc::clone(&found.identity)),
            },
            _ => Err(VerifyError::Unknown),
        }
    }

    /// Makes a token; it works when this returns.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub fn create(&self, new: NewToken, now: TimestampNs) -> Result<CreatedToken, AuthorityError> {
        let _change = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        self.create_locked(new, false, now)
    }

    /// Takes a token back; it stops working when this returns.
    ///
    /// # Errors
    /// [`AuthorityError::NotFound`] or [`AuthorityError::Store`].
    pub fn revoke(&self, id: &str) -> Result<(), AuthorityError> {
        let _change = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tokens = Tokens::clone(&self.current());
        let found = tokens.by_digest.values().find(|token| token.id == id).map(|token| token.digest);
        let digest =
            found.ok_or_else(|| AuthorityError::NotFound(id.chars().take(NAME_CHARS_MAX).collect()))?;
        self.store.delete(id)?;
        tokens.by_digest.remove(&digest);
        self.publish(tokens);
        Ok(())
    }

    /// All tokens, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<TokenView> {
        let mut list: Vec<TokenView> = self.current().by_digest.values().map(|token| token.view()).collect();
        list.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        list
    }

    /// Sees to it that there is an operator token, which allows everything. A given one that differs from the one there
    /// takes its place, so that an operator who lost it can set another.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub fn ensure_operator(
        &self,
        given: Option<Secret>,
        now: TimestampNs,
    ) -> Result<Operator, AuthorityError> {
        let _change = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.current().by_digest.values().find(|token| token.is_operator).cloned();
        match (&old, &given) {
            (Some(_), None) => return Ok(Operator::Kept),
            (Some(old), Some(given)) if old.digest == Digest::of(given.reveal()) => {
                return Ok(Operator::Kept);
            }
            _ => {}
        }
        let new =
            NewToken { name: "operator".to_owned(), is_admin: true, secret: given, ..NewToken::default() };
        let created = self.create_locked(new, true, now)?;
        if let Some(old) = old {
            self.store.delete(&old.id)?;
            let mut tokens = Tokens::clone(&self.current());
            tokens.by_digest.remove(&old.digest);
            self.publish(tokens);
        }
        Ok(Operator::Created(created))
    }

    fn create_locked(
        &self,
        new: NewToken,
        is_operator: bool,
        now: TimestampNs,
    ) -> Result<CreatedToken, AuthorityError> {
        let name = new.name.trim();
        if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
            return Err(AuthorityError::Name);
        }
        if !new.is_admin && !new.grants.iter().any(|grant| grant.read || grant.write) {
            return Err(AuthorityError::NoGrants);
        }
        let secret = match new.secret {
            Some(secret) => secret,
            None => Secret::random()?,
        };
        let digest = Digest::of(secret.reveal());
        let mut tokens = Tokens::clone(&self.current());
        if let Some(same) = tokens.by_digest.get(&digest) {
            return Err(AuthorityError::Exists(same.identity.name.clone()));
        }
        if tokens.by_digest.len() >= TOKENS_MAX {
            return Err(AuthorityError::TooMany);
        }
        let hex = digest.to_hex();
        let record = TokenRecord {
            name: name.to_owned(),
            sha256: hex.clone(),
            admin: new.is_admin,
            operator: is_operator,
            grants: new.grants,
            created: now.0,
            expires: new.expires.map(|end| end.0),
        };
        // Part of the digest names the record: it tells tokens apart and reveals nothing.
        let id = hex.get(..16).unwrap_or(&hex).to_owned();
        let token = Token::new(&id, &record, digest);
        let bytes = serde_json::to_vec(&Record::Token(record))
            .map_err(|error| RecordStoreError(format!("cannot encode the record: {error}")))?;
        self.store.put(&id, &bytes)?;
        tokens.by_digest.insert(digest, Arc::new(token));
        self.publish(tokens);
        Ok(CreatedToken { id, secret })
    }

    fn current(&self) -> Arc<Tokens> {
        Arc::clone(&self.tokens.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn publish(&self, tokens: Tokens) {
        *self.tokens.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tokens);
    }
}

impl Token {
    fn new(id: &str, record: &TokenRecord, digest: Digest) -> Self {
        Self {
            id: id.to_owned(),
            digest,
            identity: Arc::new(Identity {
                name: record.name.clone(),
                is_admin: record.admin,
                grants: record.grants.clone(),
            }),
            is_operator: record.operator,
            created: TimestampNs(record.created),
            expires: record.expires.map(TimestampNs),
        }
    }

    fn from_record(key: &str, bytes: &[u8]) -> Result<Self, AuthorityError> {
        let damaged = |why: String| AuthorityError::Damaged { key: key.to_owned(), why };
        let Record::Token(record) =
            serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        let digest = Digest::from_hex(&record.sha256).ok_or_else(|| damaged("no SHA-256".to_owned()))?;
        Ok(Self::new(key, &record, digest))
    }

    fn view(&self) -> TokenView {
        TokenView {
            id: self.id.clone(),
            identity: Arc::clone(&self.identity),
            is_operator: self.is_operator,
            created: self.created,
            expires: self.expires,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Permission, Scope};
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[derive(Clone, Default)]
    struct Memory {
        records: Arc<Mutex<HashMap<String, Vec<u8>>>>,
        broken: Arc<AtomicBool>,
    }

    impl Memory {
        fn check(&self) -> Result<(), RecordStoreError> {
            match self.broken.load(Ordering::Relaxed) {
                true => Err(RecordStoreError("disk full".into())),
                false => Ok(()),
            }
        }
    }

    impl RecordStore for Memory {
        fn load_all(&self) -> Result<Vec<(String, Vec<u8>)>, RecordStoreError> {
            Ok(self.records.lock().unwrap().iter().map(|(k, v)| (k.clone(), v.clone())).collect())
        }
        fn put(&self, key: &str, value: &[u8]) -> Result<(), RecordStoreError> {
            self.check()?;
            self.records.lock().unwrap().insert(key.into(), value.into());
            Ok(())
        }
        fn delete(&self, key: &str) -> Result<(), RecordStoreError> {
            self.check()?;
            self.records.lock().unwrap().remove(key);
            Ok(())
        }
    }

    const NOW: TimestampNs = TimestampNs(1_000);

    fn writer(name: &str) -> NewToken {
        let grants = vec![Grant { database: Scope::Database("d".into()), read: false, write: true }];
        NewToken { name: name.into(), grants, ..NewToken::default() }
    }

    #[test]
    fn a_created_token_works_at_once_after_reopening_and_until_revoked() {
        let memory = Memory::default();
        let authority = Authority::open(Box::new(memory.clone())).unwrap();
        let made = authority.create(writer("telegraf"), NOW).unwrap();
        for authority in [&authority, &Authority::open(Box::new(memory.clone())).unwrap()] {
            let who = authority.verify(made.secret.reveal(), NOW).unwrap();
            assert_eq!(who.name, "telegraf");
            assert!(who.may(Permission::Write, "d") && !who.may(Permission::Read, "d"));
        }
        authority.revoke(&made.id).unwrap();
        assert_eq!(authority.verify(made.secret.reveal(), NOW), Err(VerifyError::Unknown));
        assert!(memory.records.lock().unwrap().is_empty());
        assert!(matches!(authority.revoke(&made.id), Err(AuthorityError::NotFound(_))));
    }

    #[test]
    fn the_text_of_a_token_is_not_in_its_record() {
        let memory = Memory::default();
        let made = Authority::open(Box::new(memory.clone())).unwrap().create(writer("x"), NOW).unwrap();
        for (key, bytes) in memory.load_all().unwrap() {
            let text = format!("{key}{}", String::from_utf8(bytes).unwrap());
            assert!(!text.contains(made.secret.reveal()) && !text.contains(&made.secret.reveal()[5..]));
        }
    }

    #[test]
    fn tokens_expire() {
        let authority = Authority::open(Box::new(Memory::default())).unwrap();
        let new = NewToken { expires: Some(TimestampNs(2_000)), ..writer("short") };
        let made = authority.create(new, NOW).unwrap();
        assert!(authority.verify(made.secret.reveal(), TimestampNs(1_999)).is_ok());
        assert_eq!(authority.verify(made.secret.reveal(), TimestampNs(2_000)), Err(VerifyError::Expired));
    }

    #[test]
    fn the_operator_token_is_made_once_and_replaced_by_a_given_one() {
        let authority = Authority::open(Box::new(Memory::default())).unwrap();
        let Operator::Created(first) = authority.ensure_operator(None, NOW).unwrap() else {
            panic!("none was there");
        };
        assert!(authority.verify(first.secret.reveal(), NOW).unwrap().is_admin);
        assert!(matches!(authority.ensure_operator(None, NOW), Ok(Operator::Kept)));
        let given = Secret::given("a-token-of-my-own").unwrap();
        assert!(matches!(authority.ensure_operator(Some(given.clone()), NOW), Ok(Operator::Created(_))));
        assert!(matches!(authority.ensure_operator(Some(given), NOW), Ok(Operator::Kept)));
        assert_eq!(authority.verify(first.secret.reveal(), NOW), Err(VerifyError::Unknown));
        assert_eq!(authority.list().len(), 1);
    }

    #[test]
    fn a_change_that_cannot_be_written_does_not_happen() {
        let memory = Memory::default();
        let authority = Authority::open(Box::new(memory.clone())).unwrap();
        let made = authority.create(writer("a"), NOW).unwrap();
        memory.broken.store(true, Ordering::Relaxed);
        assert!(matches!(authority.create(writer("b"), NOW), Err(AuthorityError::Store(_))));
        assert!(matches!(authority.revoke(&made.id), Err(AuthorityError::Store(_))));
        assert!(authority.verify(made.secret.reveal(), NOW).is_ok());
        assert_eq!(authority.list().len(), 1);
    }

    #[test]
    fn useless_or_double_tokens_are_refused() {
        let authority = Authority::open(Box::new(Memory::default())).unwrap();
        let bare = NewToken { name: "x".into(), ..NewToken::default() };
        assert_eq!(authority.create(bare, NOW).unwrap_err(), AuthorityError::NoGrants);
        assert_eq!(authority.create(writer(" \n"), NOW).unwrap_err(), AuthorityError::Name);
        let secret = Some(Secret::given("0123456789abcdef").unwrap());
        authority.create(NewToken { secret: secret.clone(), ..writer("a") }, NOW).unwrap();
        let again = authority.create(NewToken { secret, ..writer("b") }, NOW);
        assert_eq!(again.unwrap_err(), AuthorityError::Exists("a".into()));
    }

    #[test]
    fn a_damaged_record_is_named() {
        let memory = Memory::default();
        memory.put("k1", b"{\"kind\":\"robot\"}").unwrap();
        let error = Authority::open(Box::new(memory)).unwrap_err();
        assert!(error.to_string().contains("\"k1\""), "{error}");
    }

    proptest! {
        #[test]
        fn records_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Token::from_record("k", &bytes);
        }

        #[test]
        fn verify_refuses_what_was_not_made(text in ".{0,80}") {
            let authority = Authority::open(Box::new(Memory::default())).unwrap();
            prop_assert_eq!(authority.verify(&text, NOW), Err(VerifyError::Unknown));
        }
    }
}
