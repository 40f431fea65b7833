//! Certificates in PEM, out of a text that is about to be shown to others: a bundle that the API server publishes, a CA in every workload's
//! Secret. People keep the key in the same file.

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
const CERTIFICATE: &str = "CERTIFICATE";
const KEY: &str = "PRIVATE KEY";

/// The text holds a private key, which must not go where a certificate goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a PRIVATE KEY is in the same text, and the text is shown to others: leave the certificates alone there")]
pub struct KeyBeside;

/// The blocks `CERTIFICATE` of a text, and nothing that stands beside them; empty where there are none.
///
/// # Errors
/// [`KeyBeside`].
pub fn certificates(text: &str) -> Result<String, KeyBeside> {
    let mut blocks = String::new();
    let mut rest = text;
    while let Some((_, behind)) = rest.split_once(BEGIN) {
        rest = behind;
        let Some((label, body)) = behind.split_once(DASHES) else { break };
        if label.contains(KEY) {
            return Err(KeyBeside);
        }
        let end = format!("{END}{label}{DASHES}");
        match body.split_once(&end) {
            Some((inner, after)) if !inner.contains(BEGIN) => {
                if label == CERTIFICATE {
                    blocks.extend([BEGIN, label, DASHES, inner, &end, "\n"]);
                }
                rest = after;
            }
            // What does not end, or in which another begins, is no block.
            _ => {}
        }
    }
    // Whatever a text looks like that is made to deceive.
    if blocks.contains(KEY) { Err(KeyBeside) } else { Ok(blocks) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(label: &str) -> String {
        format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n")
    }

    #[test]
    fn certificates_pass_and_what_is_written_beside_them_does_not() {
        let (one, other) = (block("CERTIFICATE"), block("X509 CRL"));
        assert_eq!(certificates(&one).unwrap(), one);
        let text = format!("Subject: CN=ca\r\npassword: hunter2\n{one}# next\n{other}{one}the end");
        assert_eq!(certificates(&text).unwrap(), one.repeat(2));
        assert_eq!(certificates(one.trim_end()).unwrap(), one);
        let windows = certificates(&one.replace('\n', "\r\n").repeat(2)).unwrap();
        assert_eq!(windows.replace('\r', ""), one.repeat(2));
    }

    #[test]
    fn what_has_no_certificate_is_empty() {
        for text in ["", "hello", "-----BEGIN ", "-----BEGIN CERTIFICATE-----\nAAAA", "-----END CERTIFICATE-----"] {
            assert_eq!(certificates(text).unwrap(), "", "{text}");
        }
    }

    #[test]
    fn a_private_key_is_never_passed_on() {
        let certificate = block("CERTIFICATE");
        for label in
            ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY"]
        {
            let key = block(label);
            for text in [
                format!("{key}{certificate}"),
                format!("{certificate}{key}"),
                format!("{certificate}{}", key.replace("-----END", "")),
                format!("-----BEGIN CERTIFICATE-----\n{key}-----END CERTIFICATE-----\n"),
                format!("-----BEGIN X-----\n{key}{certificate}"),
                format!("-----BEGIN CERTIFICATE{key}-----END CERTIFICATE-----"),
            ] {
                assert_eq!(certificates(&text), Err(KeyBeside), "{text}");
            }
        }
    }
}
