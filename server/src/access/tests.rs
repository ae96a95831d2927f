//! Who gets in, and who does not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::time::Duration;

use retrosync_protocol::{ClaimRequest, Code, Epoch, OperationId, PairingRequest, Token, UserCode};

use super::foreign::{By, Newcomer};
use super::{Access, AccessOptions, Address};
use crate::catalog::memory::MemoryCatalog;
use crate::catalog::{self, Catalog, UserId};
use crate::refusal::Refusal;

const NOW_UNIX_S: i64 = 1_790_000_000;
const HOME: Address = Address::V4(std::net::Ipv4Addr::new(192, 168, 1, 2));
const AWAY: Address = Address::V4(std::net::Ipv4Addr::new(203, 0, 113, 9));

struct World {
    access: Access,
    catalog: Arc<MemoryCatalog>,
    ada: UserId,
    bob: UserId,
}

impl World {
    async fn new() -> World {
        let catalog = Arc::new(MemoryCatalog::new(Epoch::from_random(&[7; 16])));
        let access = Access::new(catalog.clone(), AccessOptions::default());
        let mut tx = catalog.begin(catalog::Access::Write).await.unwrap();
        // Added by hand: hashing passwords is slow on purpose.
        let mut ids = Vec::new();
        for name in ["ada", "bob"] {
            ids.push(super::add_user(tx.as_mut(), name, String::new(), false, NOW_UNIX_S).await.unwrap());
        }
        tx.commit().await.unwrap();
        World { access, catalog, ada: ids[0], bob: ids[1] }
    }

    /// A device of ada, paired by a code.
    async fn paired(&self, number: u8) -> Token {
        let offer = self.access.start_pairing(&request(number), HOME, NOW_UNIX_S).await.unwrap();
        self.access.approve(self.ada, &offer.user_code, HOME, NOW_UNIX_S).await.unwrap();
        token(number)
    }
}

fn token(number: u8) -> Token {
    Token::from_random(&[number; 32])
}

fn request(number: u8) -> PairingRequest {
    PairingRequest {
        token_sha256: token(number).digest(),
        device_name: format!("Mini {number}"),
        profile: "onion".into(),
        client: "retrosync/0.1.0".into(),
    }
}

fn code<T: std::fmt::Debug>(answer: Result<T, Refusal>) -> Code {
    answer.unwrap_err().code()
}

#[tokio::test]
async fn the_first_to_register_is_admin_and_then_the_door_closes() {
    let catalog = Arc::new(MemoryCatalog::new(Epoch::from_random(&[7; 16])));
    let access = Access::new(catalog.clone(), AccessOptions::default());
    assert_eq!(code(access.register("ada", "short", HOME, NOW_UNIX_S).await), Code::Malformed);
    assert_eq!(code(access.register(" ", "long enough", HOME, NOW_UNIX_S).await), Code::Malformed);
    assert!(access.may_register().await.unwrap());
    let ada = access.register(" ada ", "correct horse", HOME, NOW_UNIX_S).await.unwrap();
    assert!(!access.may_register().await.unwrap());
    assert_eq!(code(access.register("bob", "correct horse", HOME, NOW_UNIX_S).await), Code::AccessDenied);
    let open = Access::new(catalog, AccessOptions { open_registration: true });
    open.register("bob", "correct horse", HOME, NOW_UNIX_S).await.unwrap();
    assert_eq!(code(open.register("ADA", "correct horse", HOME, NOW_UNIX_S).await), Code::Malformed, "taken");
    let users = access.users().await.unwrap();
    let shown: Vec<_> = users.iter().map(|user| (user.name.as_str(), user.admin)).collect();
    assert_eq!(shown, [("ada", true), ("bob", false)]);

    let login = access.login("Ada", "correct horse", HOME, NOW_UNIX_S).await.unwrap();
    assert_eq!(login.session.asker.user, ada);
    assert!(login.session.admin);
    let session = access.session(&login.cookie, NOW_UNIX_S).await.unwrap();
    assert_eq!((session.asker.user_name.as_str(), session.asker.device), ("ada", None));
    assert_eq!(code(access.session("0000", NOW_UNIX_S).await), Code::Unauthorized);
    assert_eq!(code(access.session(&login.cookie, session.expires_unix_s).await), Code::Unauthorized, "over");
    let wrong = access.login("ada", "wrong horse", HOME, NOW_UNIX_S).await.unwrap_err();
    let nobody = access.login("eve", "wrong horse", HOME, NOW_UNIX_S).await.unwrap_err();
    assert_eq!(wrong.to_string(), nobody.to_string(), "who is known is nobody's business");
    access.logout(&login.cookie).await.unwrap();
    assert_eq!(code(access.session(&login.cookie, NOW_UNIX_S).await), Code::Unauthorized);
    let login = access.login("ada", "correct horse", HOME, NOW_UNIX_S).await.unwrap();
    access.set_password(ada, "battery staple").await.unwrap();
    assert_eq!(
        code(access.session(&login.cookie, NOW_UNIX_S).await),
        Code::Unauthorized,
        "a new password logs out"
    );
}

#[tokio::test]
async fn a_shown_code_is_approved_and_every_answer_can_be_lost() {
    let world = World::new().await;
    let access = &world.access;
    let offer = access.start_pairing(&request(1), HOME, NOW_UNIX_S).await.unwrap();
    let again = access.start_pairing(&request(1), HOME, NOW_UNIX_S + 60).await.unwrap();
    assert_eq!(
        (&again.user_code, again.expires_in_s),
        (&offer.user_code, 540),
        "the same code while it lives"
    );
    assert_eq!(code(access.poll_pairing(&token(1), NOW_UNIX_S).await), Code::AuthorizationPending);
    assert_eq!(code(access.poll_pairing(&token(2), NOW_UNIX_S).await), Code::Unauthorized);
    assert_eq!(code(access.device(&token(1), NOW_UNIX_S).await), Code::Unauthorized, "shown is not in");
    let applicant = access.applicant(&offer.user_code, HOME, NOW_UNIX_S).await.unwrap();
    assert_eq!((applicant.device_name.as_str(), applicant.profile.as_str()), ("Mini 1", "onion"));
    let paired = access.approve(world.ada, &offer.user_code, HOME, NOW_UNIX_S).await.unwrap();
    assert_eq!((paired.user.as_str(), paired.device_name.as_str()), ("ada", "Mini 1"));
    for _ in 0..2 {
        assert_eq!(access.poll_pairing(&token(1), NOW_UNIX_S + 9999).await.unwrap(), paired);
        assert_eq!(access.approve(world.ada, &offer.user_code, HOME, NOW_UNIX_S).await.unwrap(), paired);
    }
    assert_eq!(code(access.approve(world.bob, &offer.user_code, HOME, NOW_UNIX_S).await), Code::CodeUnknown);
    assert_eq!(
        code(access.start_pairing(&request(1), HOME, NOW_UNIX_S).await),
        Code::Malformed,
        "a used token"
    );
    assert_eq!(access.device(&token(1), NOW_UNIX_S).await.unwrap().device, Some(paired.device));
}

#[tokio::test]
async fn a_code_ends_after_ten_minutes_or_with_a_no() {
    let world = World::new().await;
    let access = &world.access;
    let offer = access.start_pairing(&request(1), HOME, NOW_UNIX_S).await.unwrap();
    let over = NOW_UNIX_S + 600;
    assert_eq!(code(access.approve(world.ada, &offer.user_code, HOME, over).await), Code::ExpiredToken);
    assert_eq!(code(access.poll_pairing(&token(1), over).await), Code::ExpiredToken);
    access.sweep(over + 3600).await.unwrap();
    assert_eq!(code(access.poll_pairing(&token(1), over).await), Code::ExpiredToken, "told for a day");
    let next = access.start_pairing(&request(1), HOME, over).await.unwrap();
    assert_ne!(next.user_code, offer.user_code);
    access.deny(world.ada, &next.user_code, HOME, over).await.unwrap();
    assert_eq!(code(access.poll_pairing(&token(1), over).await), Code::AccessDenied);
    assert_eq!(code(access.approve(world.ada, &next.user_code, HOME, over).await), Code::CodeUnknown);
}

#[tokio::test]
async fn a_code_of_the_dashboard_lets_one_device_in() {
    let world = World::new().await;
    let access = &world.access;
    let offer = access.make_code(world.ada, NOW_UNIX_S).await.unwrap();
    let claim = |number| ClaimRequest { user_code: offer.user_code.clone(), device: request(number) };
    assert_eq!(code(access.approve(world.bob, &offer.user_code, HOME, NOW_UNIX_S).await), Code::CodeUnknown);
    assert_eq!(code(access.claim(&claim(1), HOME, NOW_UNIX_S + 600).await), Code::ExpiredToken);
    let paired = access.claim(&claim(1), HOME, NOW_UNIX_S).await.unwrap();
    assert_eq!(paired.user, "ada");
    assert_eq!(
        access.claim(&claim(1), HOME, NOW_UNIX_S + 9999).await.unwrap(),
        paired,
        "the answer was lost"
    );
    assert_eq!(code(access.claim(&claim(2), HOME, NOW_UNIX_S).await), Code::CodeUnknown, "one use");
}

#[tokio::test]
async fn guessing_codes_is_stopped_and_others_still_pair() {
    let world = World::new().await;
    let access = &world.access;
    let offer = access.make_code(world.ada, NOW_UNIX_S).await.unwrap();
    let guess =
        |number: u8| ClaimRequest { user_code: UserCode::from_random(&[number; 8]), device: request(1) };
    for number in 0..5 {
        assert_eq!(code(access.claim(&guess(number), AWAY, NOW_UNIX_S).await), Code::CodeUnknown);
    }
    let refused = access.claim(&guess(6), AWAY, NOW_UNIX_S).await.unwrap_err();
    assert_eq!((refused.code(), refused.retry_after()), (Code::SlowDown, Some(60)));
    let right = ClaimRequest { user_code: offer.user_code, device: request(1) };
    assert_eq!(code(access.claim(&right, AWAY, NOW_UNIX_S).await), Code::SlowDown, "even the right one");
    access.claim(&right, HOME, NOW_UNIX_S).await.unwrap();
}

#[tokio::test]
async fn a_waiting_device_hears_the_yes() {
    let world = Arc::new(World::new().await);
    let offer = world.access.start_pairing(&request(1), HOME, NOW_UNIX_S).await.unwrap();
    let waiting = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.access.wait_for_pairing(&token(1), 60, || NOW_UNIX_S).await }
    });
    tokio::task::yield_now().await;
    let paired = world.access.approve(world.ada, &offer.user_code, HOME, NOW_UNIX_S).await.unwrap();
    let heard = tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap().unwrap().unwrap();
    assert_eq!(heard, paired);
}

#[tokio::test]
async fn a_revoked_device_is_out_and_its_owner_only_can_say_so() {
    let world = World::new().await;
    let access = &world.access;
    let one = access.device(&world.paired(1).await, NOW_UNIX_S).await.unwrap();
    let two = access.device(&world.paired(2).await, NOW_UNIX_S).await.unwrap();
    let stranger = crate::library::Asker { user: world.bob, ..one.clone() };
    let id = two.device.clone().unwrap();
    let operation: Option<OperationId> = Some("op".parse().unwrap());
    assert_eq!(code(access.rename_device(&stranger, &id, "mine", None, NOW_UNIX_S).await), Code::NotFound);
    assert_eq!(code(access.revoke_device(&stranger, &id, None, NOW_UNIX_S).await), Code::NotFound);
    assert_eq!(code(access.rename_device(&one, &id, "", None, NOW_UNIX_S).await), Code::Malformed);
    for _ in 0..2 {
        access.rename_device(&one, &id, "Kitchen", operation.clone(), NOW_UNIX_S).await.unwrap();
    }
    let reused = access.rename_device(&one, &id, "Garage", operation, NOW_UNIX_S).await;
    assert_eq!(code(reused), Code::OperationReused);
    let devices = access.devices(&one).await.unwrap().devices;
    let shown: Vec<_> = devices.iter().map(|device| (device.name.as_str(), device.this_device)).collect();
    assert_eq!(shown, [("Mini 1", true), ("Kitchen", false)]);
    for _ in 0..2 {
        access.revoke_device(&one, &id, None, NOW_UNIX_S).await.unwrap();
    }
    assert_eq!(code(access.device(&token(2), NOW_UNIX_S).await), Code::Revoked);
    assert_eq!(code(access.poll_pairing(&token(2), NOW_UNIX_S).await), Code::Revoked);
    let account = access.account(&one).await.unwrap();
    assert_eq!((account.user.as_str(), account.devices, account.quota_bytes), ("ada", 1, None));
}

#[tokio::test(start_paused = true)]
async fn a_sign_of_life_is_written_once_a_minute() {
    let world = World::new().await;
    let token = world.paired(1).await;
    let seen = async || {
        let mut tx = world.catalog.begin(catalog::Access::Read).await.unwrap();
        tx.device_by_token(token.digest()).await.unwrap().unwrap().last_seen_unix_s
    };
    // (asked at, noted); a clock that was set back is noted as well.
    for (asked, noted) in [(0, 0), (59, 0), (60, 60), (119, 60), (121, 121), (-1000, -1000)] {
        world.access.device(&token, NOW_UNIX_S + asked).await.unwrap();
        // Many devices' are written together.
        tokio::time::sleep(std::time::Duration::from_secs(6)).await;
        assert_eq!(seen().await, Some(NOW_UNIX_S + noted), "asked at {asked}");
    }
}

#[tokio::test]
async fn a_code_that_somebody_tried_in_the_wrong_way_five_times_is_void_and_the_device_shows_another() {
    let world = World::new().await;
    let access = &world.access;
    let away = |number: u8| Address::from([203, 0, 113, number]);
    let shown = access.start_pairing(&request(1), HOME, NOW_UNIX_S).await.unwrap();
    let claim = ClaimRequest { user_code: shown.user_code.clone(), device: request(2) };
    for number in 0..5 {
        assert_eq!(code(access.claim(&claim, away(number), NOW_UNIX_S).await), Code::CodeUnknown);
    }
    assert_eq!(code(access.approve(world.ada, &shown.user_code, HOME, NOW_UNIX_S).await), Code::CodeUnknown);
    let next = access.start_pairing(&request(1), HOME, NOW_UNIX_S).await.unwrap();
    assert_ne!(next.user_code, shown.user_code);
    access.approve(world.ada, &next.user_code, HOME, NOW_UNIX_S).await.unwrap();
    assert_eq!(access.poll_pairing(&token(1), NOW_UNIX_S).await.unwrap().user, "ada");

    let made = access.make_code(world.ada, NOW_UNIX_S).await.unwrap();
    for number in 5..10 {
        assert_eq!(
            code(access.applicant(&made.user_code, away(number), NOW_UNIX_S).await),
            Code::CodeUnknown
        );
    }
    let claim = ClaimRequest { user_code: made.user_code, device: request(3) };
    assert_eq!(code(access.claim(&claim, HOME, NOW_UNIX_S).await), Code::CodeUnknown);
}

#[tokio::test]
async fn no_answer_tells_a_code_that_is_there_from_one_that_is_not() {
    let world = World::new().await;
    let access = &world.access;
    let made = async || access.make_code(world.ada, NOW_UNIX_S).await.unwrap().user_code;
    let shown =
        async |number| access.start_pairing(&request(number), HOME, NOW_UNIX_S).await.unwrap().user_code;
    let (used, denied, waiting) = (made().await, shown(2).await, shown(3).await);
    let claim = |code: &UserCode, number| ClaimRequest { user_code: code.clone(), device: request(number) };
    access.claim(&claim(&used, 1), HOME, NOW_UNIX_S).await.unwrap();
    access.deny(world.ada, &denied, HOME, NOW_UNIX_S).await.unwrap();
    let nobodys = UserCode::from_random(&[9; 8]);
    let mut answers = Vec::new();
    for (at, code) in [&nobodys, &used, &denied, &waiting].into_iter().enumerate() {
        let from = Address::from([203, 0, 113, u8::try_from(at).unwrap()]);
        let refused = access.claim(&claim(code, 4), from, NOW_UNIX_S).await.unwrap_err();
        answers.push(serde_json::to_string(refused.problem()).unwrap());
    }
    for code in [&nobodys, &used, &denied] {
        let refused = access.approve(world.bob, code, AWAY, NOW_UNIX_S).await.unwrap_err();
        answers.push(serde_json::to_string(refused.problem()).unwrap());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
}

#[test]
fn a_code_has_forty_bits() {
    let mut drawn: Vec<String> =
        (0..1000).map(|_| UserCode::from_random(&super::random().unwrap()).to_string()).collect();
    for place in [0, 1, 2, 3, 5, 6, 7, 8] {
        let mut letters: Vec<u8> = drawn.iter().map(|code| code.as_bytes()[place]).collect();
        letters.sort_unstable();
        letters.dedup();
        assert_eq!(letters.len(), 32, "place {place}: 5 bits each");
    }
    drawn.sort_unstable();
    drawn.dedup();
    assert_eq!(drawn.len(), 1000, "drawn twice among a thousand");
}

#[tokio::test]
async fn who_makes_accounts_or_guesses_passwords_by_the_dozen_waits() {
    let catalog = Arc::new(MemoryCatalog::new(Epoch::from_random(&[7; 16])));
    let access = Access::new(catalog, AccessOptions { open_registration: true });
    for _ in 0..10 {
        // Refused before it is hashed, so that the test need not wait; a try all the same.
        assert_eq!(code(access.register("ada", "short", AWAY, NOW_UNIX_S).await), Code::Malformed);
    }
    assert_eq!(code(access.register("ada", "long enough", AWAY, NOW_UNIX_S).await), Code::SlowDown);
    assert_eq!(code(access.login("ada", "long enough", AWAY, NOW_UNIX_S).await), Code::SlowDown);
    access.register("ada", "long enough", HOME, NOW_UNIX_S).await.unwrap();
}

/// That each is the same hash, `passwords` says; that it takes the memory of one, `server/tests/security.rs`.
#[tokio::test]
async fn who_asks_for_a_name_that_nobody_has_waits_for_as_many_hashes_as_for_one_that_is_there() {
    let world = World::new().await;
    world.access.set_password(world.ada, "correct horse").await.unwrap();
    let hashes = || world.access.passwords.hashes.load(std::sync::atomic::Ordering::SeqCst);
    for (name, password) in [("ada", "wrong horse"), ("nobody", "wrong horse"), ("", ""), ("ada", "")] {
        let before = hashes();
        assert_eq!(code(world.access.login(name, password, AWAY, NOW_UNIX_S).await), Code::AccessDenied);
        assert_eq!(hashes() - before, 1, "the dashboard: `{name}`, `{password}`");
        let refused = world.access.verify(name, password, AWAY, NOW_UNIX_S).await;
        assert_eq!(refused.map(drop).unwrap_err().code(), Code::Unauthorized);
        assert_eq!(hashes() - before, 2, "other programs: `{name}`, `{password}`");
    }
}

#[tokio::test]
async fn a_login_with_the_old_password_that_was_on_its_way_does_not_outlive_the_new_one() {
    let world = World::new().await;
    world.access.set_password(world.ada, "correct horse battery").await.unwrap();
    let verified = world.access.verify("ada", "correct horse battery", HOME, NOW_UNIX_S).await.unwrap();
    world.access.set_password(world.ada, "another horse battery").await.unwrap();
    let late = world.access.open_session(verified, "secret", NOW_UNIX_S + 60).await.unwrap_err();
    assert_eq!(late.code(), Code::AccessDenied);
    assert_eq!(world.access.session("secret", NOW_UNIX_S).await.unwrap_err().code(), Code::Unauthorized);
    let verified = world.access.verify("ada", "another horse battery", HOME, NOW_UNIX_S).await.unwrap();
    world.access.open_session(verified, "secret", NOW_UNIX_S + 60).await.unwrap();
    world.access.session("secret", NOW_UNIX_S).await.unwrap();
}

#[tokio::test]
async fn a_user_who_makes_code_after_code_ends_only_their_own() {
    let world = World::new().await;
    let of_bob = world.access.offer_code(world.bob, None, NOW_UNIX_S).await.unwrap();
    let mut of_ada = Vec::new();
    for number in 0..12 {
        of_ada.push(world.access.offer_code(world.ada, None, NOW_UNIX_S + number).await.unwrap());
    }
    let is_open = async |code: &str| {
        let newcomer = Newcomer::default();
        let polled = world.access.poll_code(By::Code(code), &newcomer, HOME, NOW_UNIX_S + 12).await;
        polled.is_ok_and(|let_in| let_in.is_some())
    };
    assert!(is_open(&of_bob.code).await, "another's stays");
    assert!(is_open(&of_ada[2].code).await && is_open(&of_ada[11].code).await, "ten are open");
    assert!(!is_open(&of_ada[0].code).await && !is_open(&of_ada[1].code).await, "the oldest are over");
}
