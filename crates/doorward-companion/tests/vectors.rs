//! The arithmetic, held to `tests/vectors/*.json`. The same files are checked by
//! WebCrypto and by another RFC 9421 library (`packages/client/test/vectors.test.ts`).
//!
//! `DOORWARD_WRITE_VECTORS=1` writes the files anew: a change of the protocol, which
//! wants a new version of it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "this is a test"
)]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use doorward_companion::Instance;
use doorward_companion::pairing::keys::{Ephemeral, Keys, Said, commitment};
use doorward_companion::pairing::page::Page;
use doorward_companion::pairing::{Bytes32, Offer, Scopes, VERSION};
use doorward_companion::signing::{
    Challenge, Head, PairedKey, Params, Verifier, check_answer, hello_proof, page, signature_base,
};
use doorward_guard::{Clock, Origin, Secret};
use http::{Request, StatusCode};
use serde_json::{Value, json};

const LISTEN: &str = "127.0.0.1:7319";
const INSTANCE: &str = "AQIDBAUGBwgJCgsMDQ4PEA";

/// 32 bytes that count up from `first`.
fn bytes(first: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (place, byte) in bytes.iter_mut().zip(0..) {
        *place = first.wrapping_add(byte);
    }
    bytes
}

fn secret(first: u8) -> Secret<32> {
    Secret::from_bytes(bytes(first))
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn pairing(origin: &str, scopes: &str, first: u8) -> Value {
    let scopes: Scopes = serde_json::from_str(scopes).unwrap();
    let origin = Origin::parse(origin).unwrap();
    let (page_secret, page_nonce) = (secret(first), secret(first + 1));
    let (daemon_secret, daemon_nonce) = (secret(first + 2), bytes(first + 3));
    let daemon = Ephemeral::from_secret(&daemon_secret);
    let page_key = Ephemeral::from_secret(&page_secret);
    let page = Page::from_secrets(&origin, "An app", scopes, &page_secret, &page_nonce);
    let offer = Offer {
        v: VERSION,
        pid: "EBESExQVFhcYGRobHB0eHw".to_owned(),
        public_key: Bytes32(daemon.public()),
        nonce: Bytes32(daemon_nonce),
        instance: INSTANCE.to_owned(),
        listen: LISTEN.to_owned(),
        reveal_within: 10,
    };
    let offer = serde_json::to_vec(&offer).unwrap();
    let said = Said {
        start: page.start(),
        offer: &offer,
        reveal: page.reveal(),
        origin: &origin,
        listen: LISTEN,
    };
    let shared = daemon.agree(&page_key.public()).unwrap();
    let keys = Keys::derive(&shared, said.transcript()).unwrap();
    let (start, reveal) = (page.start().to_vec(), page.reveal().to_vec());
    // The page's own half comes to the same.
    let compared = page.compare(&offer, LISTEN).unwrap();
    assert_eq!(compared.keys().page_proof(), keys.page_proof());
    let utf8 = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    json!({
        "origin": origin.as_str(),
        "listen": LISTEN,
        "pageSecret": text(page_secret.bytes()),
        "pageNonce": text(page_nonce.bytes()),
        "pagePublic": text(&page_key.public()),
        "daemonSecret": text(daemon_secret.bytes()),
        "daemonPublic": text(&daemon.public()),
        "start": utf8(start),
        "offer": utf8(offer),
        "reveal": utf8(reveal),
        "commitment": text(&commitment(&page_key.public(), page_nonce.bytes(), &origin)),
        "transcript": text(&keys.transcript),
        "shared": text(shared.bytes()),
        "code": keys.code.to_string(),
        "keyId": keys.key_id,
        "requestKey": text(keys.request.bytes()),
        "responseKey": text(keys.response.bytes()),
        "pageProof": text(&keys.page_proof()),
        "daemonProof": text(&keys.daemon_proof()),
    })
}

fn request(method: &str, target: &str, body: Option<(&str, &[u8], Option<u64>)>) -> Value {
    let params = Params {
        created: 1_790_000_000,
        expires: 1_790_000_030,
        nonce: "ISIjJCUmJygpKissLS4vMA",
        key_id: "MTIzNDU2Nzg5Ojs8PT4_QA",
    };
    let mut built = Request::builder()
        .method(method)
        .uri(target)
        .header("host", LISTEN)
        .header("origin", "https://app.example")
        .header("x-doorward-instance", INSTANCE);
    if let Some((kind, ..)) = body {
        built = built.header("content-type", kind);
    }
    let mut parts = built.body(()).unwrap().into_parts().0;
    let signed = body.map(|(_, bytes, offset)| (bytes, offset));
    page::sign(&mut parts, &secret(64), &params, signed).unwrap();
    let base = signature_base(&Head::read(&parts).unwrap(), &params);
    let headers: serde_json::Map<_, _> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap())))
        .collect();
    json!({
        "method": method,
        "target": target,
        "headers": headers,
        "body": body.map(|(_, bytes, _)| text(bytes)),
        "key": text(secret(64).bytes()),
        "keyId": params.key_id,
        "nonce": params.nonce,
        "created": params.created,
        "expires": params.expires,
        "base": base,
    })
}

fn answer() -> Value {
    // A fake clock stands at 1,790,000,000.
    let (clock, _hand) = Clock::fake();
    let instance = Instance::parse(INSTANCE).unwrap();
    let verifier = Verifier::new(&clock, instance.clone(), LISTEN);
    let asked = request("GET", "/drives", None);
    let key_id = asked["keyId"].as_str().unwrap().to_owned();
    verifier.admit(PairedKey {
        key_id: key_id.clone(),
        origin: Origin::parse("https://app.example").unwrap(),
        request: secret(64),
        response: secret(128),
    });
    let mut parts = Request::get("/drives").body(()).unwrap().into_parts().0;
    for (name, value) in asked["headers"].as_object().unwrap() {
        let name: http::HeaderName = name.parse().unwrap();
        let value = value.as_str().unwrap().parse().unwrap();
        parts.headers.insert(name, value);
    }
    let proven = verifier.verify(&parts).unwrap();
    let (status, kind, body) = (StatusCode::OK, "application/json", br#"{"drives":[]}"#);
    let signed = proven.signer().sign(status, kind, body);
    let to = (key_id.as_str(), asked["nonce"].as_str().unwrap());
    assert!(check_answer(
        &secret(128),
        to,
        (status, kind, body),
        &signed
    ));
    let challenge = Challenge::parse(&text(&bytes(7))).unwrap();
    json!({
        "answer": {
            "key": text(secret(128).bytes()),
            "keyId": key_id,
            "nonce": to.1,
            "created": proven.signer().now(),
            "status": 200,
            "body": text(body),
            "headers": {
                "content-type": kind,
                "content-digest": signed.content_digest,
                "signature-input": signed.signature_input,
                "signature": signed.signature,
            },
        },
        "hello": {
            "key": text(secret(128).bytes()),
            "challenge": text(&bytes(7)),
            "listen": LISTEN,
            "instance": INSTANCE,
            "proof": text(&hello_proof(&secret(128), &challenge, LISTEN, &instance)),
        },
    })
}

fn held_to(name: &str, computed: &Value) {
    let path = format!("{}/tests/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("DOORWARD_WRITE_VECTORS").is_some() {
        let written = serde_json::to_string_pretty(computed).unwrap() + "\n";
        std::fs::write(&path, written).unwrap();
    }
    let read: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(&read, computed);
}

#[test]
fn t63_pairing_is_held_to_its_vectors() {
    let read = r#"[{"folder":"Photos","rights":["read"]}]"#;
    let write = r#"[{"folder":"Work","rights":["read","write","delete"]}]"#;
    let computed = json!([
        pairing("https://app.example", read, 1),
        pairing("http://localhost:5173", write, 33),
        pairing("https://xn--bcher-kva.example:8443", "[]", 65),
        pairing("tauri://localhost", read, 200),
    ]);
    held_to("pairing.json", &computed);
}

#[test]
fn signing_is_held_to_its_vectors() {
    let json_body: &[u8] = br#"{"path":"Photos"}"#;
    let chunk: &[u8] = &[0, 1, 2, 253, 254, 255];
    let mut computed = answer();
    computed["requests"] = json!([
        request("GET", "/drives", None),
        request("GET", "/drives/list?path=a%20b&x=", None),
        request("DELETE", "/pair?", None),
        request(
            "POST",
            "/drives/list",
            Some(("application/json", json_body, None))
        ),
        request(
            "POST",
            "/drives/list",
            Some(("application/json", b"", None))
        ),
        request(
            "PUT",
            "/drives/upload/7",
            Some(("application/octet-stream", chunk, Some(8_388_608))),
        ),
    ]);
    held_to("signing.json", &computed);
}
