//! What expressions of patterns can call besides minijinja's own: names, schedules, addresses, and which servers there are.
//!
//! All of it is pure: the same arguments give the same result on every machine, so plans can be repeated.

use minijinja::{Environment, Error, ErrorKind};
use sha2::{Digest, Sha256};

use super::Available;

/// Names of the functions, which no parameter, local or loop variable may take.
pub const FUNCTIONS: [&str; 6] = ["has", "can", "exists", "stable", "subnet", "address_in"];

/// Adds the filters and functions to an environment.
pub fn install(env: &mut Environment<'static>, available: &Available) {
    let (types, members, existing) = (available.clone(), available.clone(), available.clone());
    env.add_function("has", move |what: String| types.has(&what).map_err(refuse));
    env.add_function("can", move |what: String| members.can(&what).map_err(refuse));
    env.add_function("exists", move |address: String| existing.exists(&address).map_err(refuse));
    env.add_function("stable", stable);
    env.add_function("subnet", subnet);
    env.add_function("address_in", address_in);
    env.add_filter("slug", |text: String| slug(&text, 40).ok_or_else(|| refuse("no letter or digit to make a name of".into())));
    env.add_filter("label", |domain: String| label(&domain).ok_or_else(|| refuse("the domain has no label to make a name of".into())));
    env.add_filter("host", |domain: String| split_domain(&domain).0);
    env.add_filter("zone", |domain: String| split_domain(&domain).1);
    env.add_filter("cron", |schedule: String| cron(&schedule).ok_or_else(|| refuse("not a schedule".into())));
    env.add_filter("days", |span: String| days(&span).ok_or_else(|| refuse("not a span of time".into())));
}

fn refuse(why: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, why)
}

/// Lower-case letters, digits and single `-`, beginning with a letter or digit; `None` if nothing is left.
pub fn slug(text: &str, longest: usize) -> Option<String> {
    let mut out = String::new();
    for c in text.to_lowercase().chars() {
        let c = match c {
            'ä' | 'à' | 'á' | 'â' | 'å' | 'ã' => 'a',
            'ö' | 'ò' | 'ó' | 'ô' | 'ø' | 'õ' => 'o',
            'ü' | 'ù' | 'ú' | 'û' => 'u',
            'é' | 'è' | 'ê' | 'ë' => 'e',
            'í' | 'ì' | 'î' | 'ï' => 'i',
            'ñ' => 'n',
            'ç' => 'c',
            'ß' => 's',
            c => c,
        };
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    out.truncate(longest);
    let out = out.trim_end_matches('-').to_owned();
    (!out.is_empty()).then_some(out)
}

/// The label of a domain that people would call the thing by: `blog.example.org` gives `blog`, `www.shop.example` gives `shop`.
pub fn label(domain: &str) -> Option<String> {
    let labels: Vec<&str> = domain.split('.').filter(|l| !l.is_empty()).collect();
    let first = labels.iter().find(|l| !matches!(**l, "www" | "*")).or(labels.first())?;
    slug(first, 32)
}

/// Host and zone of a domain: `a.example.org` is `a` in `example.org`; a domain of two labels is the zone itself, host `@`.
fn split_domain(domain: &str) -> (String, String) {
    match domain.split_once('.') {
        Some((host, zone)) if zone.contains('.') => (host.to_owned(), zone.to_owned()),
        _ => ("@".to_owned(), domain.to_owned()),
    }
}

/// The cron line of a schedule: a word, or five fields as they stand.
pub fn cron(schedule: &str) -> Option<String> {
    let line = match schedule {
        "hourly" => "0 * * * *",
        "daily" | "nightly" => "0 2 * * *",
        "weekly" => "0 2 * * 0",
        "monthly" => "0 2 1 * *",
        _ => {
            let fields: Vec<&str> = schedule.split_whitespace().collect();
            let ok = fields.len() == 5
                && fields.iter().zip([59, 23, 31, 12, 7]).zip([0, 0, 1, 1, 0]).all(|((f, most), least)| cron_field(f, least, most));
            // Days and months as numbers: who reads the schedule need not know their names.
            return ok.then(|| fields.iter().map(|f| in_numbers(f)).collect::<Vec<_>>().join(" "));
        }
    };
    Some(line.to_owned())
}

const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// `mon-fri` as `1-5`, `jan,jul` as `1,7`, and Sunday as 0.
fn in_numbers(field: &str) -> String {
    let number = |word: &str| {
        let place = |names: &[&str]| names.iter().position(|n| n.eq_ignore_ascii_case(word));
        place(&DAYS).or(place(&MONTHS).map(|n| n + 1)).map_or_else(|| word.to_owned(), |n| n.to_string())
    };
    let range = |part: &str| match part.split_once('-') {
        // At the end of a range Sunday is the seventh day.
        Some((from, to)) if to.eq_ignore_ascii_case(DAYS[0]) => format!("{}-7", number(from)),
        Some((from, to)) => format!("{}-{}", number(from), number(to)),
        None => number(part),
    };
    field.split(',').map(range).collect::<Vec<_>>().join(",")
}

fn cron_field(field: &str, least: u32, most: u32) -> bool {
    let number = |text: &str| text.len() <= 2 && text.parse::<u32>().is_ok_and(|n| (least..=most).contains(&n));
    let names = if most == 7 { &DAYS[..] } else { &MONTHS[..] };
    let word = |text: &str| most <= 12 && names.iter().any(|n| n.eq_ignore_ascii_case(text));
    !field.is_empty()
        && field.split(',').all(|part| {
            let (range, step) = part.split_once('/').map_or((part, None), |(r, s)| (r, Some(s)));
            let range_ok = range == "*"
                || match range.split_once('-') {
                    Some((a, b)) => (number(a) && number(b)) || (word(a) && word(b)),
                    None => number(range) || word(range),
                };
            range_ok && step.is_none_or(|s| s.parse::<u32>().is_ok_and(|n| n > 0 && n <= most.max(1)))
        })
}

/// A span such as `14d`, `2w`, `6 months` in days.
pub fn days(span: &str) -> Option<u32> {
    let span = span.trim().to_lowercase();
    let digits = span.find(|c: char| !c.is_ascii_digit()).unwrap_or(span.len());
    let count: u32 = span[..digits].parse().ok()?;
    let unit = match span[digits..].trim() {
        "" | "d" | "day" | "days" => 1,
        "w" | "week" | "weeks" => 7,
        "mo" | "month" | "months" => 30,
        "y" | "year" | "years" => 365,
        _ => return None,
    };
    count.checked_mul(unit).filter(|d| *d >= 1 && *d <= 36_500)
}

/// A number between two bounds that a text always gives again: two deployments get different ones, one deployment keeps its own.
fn stable(text: String, least: u32, most: u32) -> Result<u32, Error> {
    if most < least {
        return Err(refuse("`stable(text, least, most)` needs least <= most".into()));
    }
    let digest = Sha256::digest(text.as_bytes());
    let seed = digest.iter().take(8).fold(0u64, |n, b| (n << 8) | u64::from(*b));
    Ok(least + (seed % (u64::from(most - least) + 1)) as u32)
}

/// The `n`-th network of `prefix` bits inside `base`.
fn subnet(base: String, prefix: u8, n: u32) -> Result<String, Error> {
    let base: ipnet::Ipv4Net = base.parse().map_err(|_| refuse("`subnet` needs a network such as 10.0.0.0/16".into()))?;
    let mut nets = base.subnets(prefix).map_err(|_| refuse("`subnet` cannot cut a network of that size".into()))?;
    nets.nth(n as usize).map(|net| net.to_string()).ok_or_else(|| refuse("`subnet`: the base has no room for that many networks".into()))
}

/// The `n`-th address of a network, without its length.
fn address_in(net: String, n: u32) -> Result<String, Error> {
    let net: ipnet::Ipv4Net = net.parse().map_err(|_| refuse("`address_in` needs a network such as 10.0.0.0/24".into()))?;
    let address = u32::from(net.network()).checked_add(n).map(std::net::Ipv4Addr::from);
    address.filter(|a| net.contains(a)).map(|a| a.to_string()).ok_or_else(|| refuse("`address_in`: outside of the network".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_domains() {
        assert_eq!(slug("Café Ünter/../x", 40).as_deref(), Some("cafe-unter-x"));
        assert_eq!(slug("--", 40), None);
        assert_eq!(label("www.shop.example.co.uk").as_deref(), Some("shop"));
        assert_eq!(label("example.org").as_deref(), Some("example"));
        assert_eq!(split_domain("a.b.example.org"), ("a".into(), "b.example.org".into()));
        assert_eq!(split_domain("example.org"), ("@".into(), "example.org".into()));
    }

    #[test]
    fn schedules_and_spans() {
        assert_eq!(cron("daily").as_deref(), Some("0 2 * * *"));
        assert_eq!(cron("*/15 0-6 1,15 * mon-fri").as_deref(), Some("*/15 0-6 1,15 * 1-5"));
        assert_eq!(cron("0 2 * jan,JUL sat-sun").as_deref(), Some("0 2 * 1,7 6-7"));
        for bad in ["", "often", "60 * * * *", "* * * *", "* 24 * * *", "a * * * *", "*/0 * * * *"] {
            assert_eq!(cron(bad), None, "{bad}");
        }
        assert_eq!(
            (days("14d"), days("2 weeks"), days("30"), days("1y"), days("soon"), days("0d")),
            (Some(14), Some(14), Some(30), Some(365), None, None)
        );
    }

    #[test]
    fn addresses() {
        assert_eq!(subnet("10.20.0.0/16".into(), 24, 3).unwrap(), "10.20.3.0/24");
        assert!(subnet("10.20.0.0/16".into(), 8, 0).is_err());
        assert_eq!(address_in("10.20.3.0/24".into(), 10).unwrap(), "10.20.3.10");
        assert!(address_in("10.20.3.0/24".into(), 300).is_err());
        assert_eq!(stable("blog".into(), 100, 100).unwrap(), 100);
        assert_eq!(stable("blog".into(), 100, 3999).unwrap(), stable("blog".into(), 100, 3999).unwrap());
    }
}
