//! The two AWS servers against their recorded answers: what is a no, which command lines are sent, and what is never said twice.

use super::*;
use crate::mcp::binding::expression::Scope;

const API: &str = include_str!("../../../../tests/fixtures/bindings/aws-api.json");
const API_TOOLS: &str = include_str!("../../../../tests/fixtures/bindings/aws-api-tools.json");
const EC2: &str = include_str!("../../../../tests/fixtures/bindings/aws-ec2.json");
const EC2_TOOLS: &str = include_str!("../../../../tests/fixtures/bindings/aws-ec2-tools.json");

/// What the binding takes a recorded reply for: the kind of no and its words, or nothing.
fn no(binding: &str, of: &str, reply: &Reply) -> Option<(Refusal, String)> {
    let library = Library::load(&[]);
    let call = &library.get(binding).unwrap().types[&kind(of)].read.call;
    let scope = Scope::default().maybe("result", reply.json()).with("text", reply.text.clone());
    let words = call.failure.as_ref().unwrap().text(&scope).unwrap().unwrap_or_default();
    (!words.trim().is_empty()).then(|| classify(&call.errors, Refusal::Other, words.trim().to_owned()))
}

/// All recorded replies to a command that holds these words.
fn replies(with: &str) -> Vec<Reply> {
    let all = value(API);
    let fits = |s: &&Value| s["arguments"]["cli_command"].to_string().contains(with);
    all.as_array().unwrap().iter().filter(fits).map(|s| reply(&s["result"])).collect()
}

#[test]
fn the_shipped_bindings_are_good_and_each_is_for_its_own_server() {
    let library = Library::load(&[]);
    assert_eq!(library.problems(), []);
    let tools = |text: &str| -> Vec<crate::mcp::tools::Tool> {
        value(text).as_array().unwrap().iter().map(|t| crate::mcp::tools::Tool::parse(t.clone()).unwrap()).collect()
    };
    assert_eq!(library.fitting(&tools(API_TOOLS)).unwrap().name, "aws-api");
    assert_eq!(library.fitting(&tools(EC2_TOOLS)).unwrap().name, "aws-ec2");
}

#[test]
fn every_recorded_no_of_the_api_server_has_its_class_and_says_no_command() {
    let class = |with: &str, last: bool| {
        let all = replies(with);
        let one = if last { all.last() } else { all.first() }.unwrap_or_else(|| panic!("no sample of {with}"));
        no("aws-api", "route53:record", one).map(|(class, words)| {
            assert!(!words.contains("cli_command"), "{words}");
            class
        })
    };
    assert_eq!(class("create-vpc --cidr", false), None);
    assert_eq!(class("create-security-group", true), Some(Refusal::Exists));
    assert_eq!(class("describe-instances --instance-ids i-0123", false), Some(Refusal::NotFound));
    assert_eq!(class("delete-vpc", false), Some(Refusal::InUse));
    assert_eq!(class("delete-hosted-zone", false), Some(Refusal::InUse));
    assert_eq!(class("s3api delete-bucket", true), Some(Refusal::NotFound));
    assert_eq!(class("rds create-db-instance", true), Some(Refusal::Exists));
    assert_eq!(class("nosuchop", false), Some(Refusal::Invalid));
    // The second of a batch fails; a missing argument is the server's own no, beside no response at all.
    assert_eq!(class("describe-vpcs", false), Some(Refusal::Invalid));
    assert_eq!(class("run-instances --image-id ami-03cf127a --instance-type t3.micro --subnet-id", false), Some(Refusal::Invalid));
    let said = no("aws-api", "route53:record", &replies("delete-vpc")[0]).unwrap().1;
    assert!(said.starts_with("An error occurred (DependencyViolation)") && said.ends_with("made elsewhere)"), "{said}");
}

#[test]
fn every_recorded_no_of_the_ec2_server_has_its_class() {
    let class = |tool: &str, with: &str, words: &str| {
        let all = value(EC2);
        let fits = |s: &&Value| s["tool"] == tool && s["arguments"].to_string().contains(with) && s["result"].to_string().contains(words);
        let found = all.as_array().unwrap().iter().find(fits).unwrap_or_else(|| panic!("no sample of {tool}"));
        no("aws-ec2", "ec2:instance", &reply(&found["result"])).map(|n| n.0)
    };
    assert_eq!(class("list_vpcs", "", "success"), None);
    assert_eq!(class("create_security_group", "lab-sg", "already exists"), Some(Refusal::Exists));
    assert_eq!(class("get_instance_details", "i-0123", ""), Some(Refusal::NotFound));
    assert_eq!(class("get_instance_details", "bogus", ""), Some(Refusal::Invalid));
    assert_eq!(class("create_security_group", "\"x\"", "ALLOW_WRITE"), Some(Refusal::Denied));
}

/// An account that keeps VPCs; `used` is what still uses them.
fn account(used: &'static str) -> Fake {
    let kept: Arc<Mutex<Vec<Value>>> = Arc::default();
    let tags = regex::Regex::new(r#""Tags":(\[[^\]]*\])"#).unwrap();
    fake(API_TOOLS, move |what, message| {
        if what != "call_aws" {
            return Vec::new();
        }
        let asked = &arguments(message)["cli_command"];
        let lines: Vec<String> =
            asked.as_array().map_or_else(|| vec![asked.clone()], Clone::clone).iter().map(|l| l.as_str().unwrap().to_owned()).collect();
        let mut kept = kept.lock().unwrap();
        let mut answers = Vec::new();
        for line in lines {
            let mut made = json!({"VpcId": "vpc-0a1", "OwnerId": "1", "State": "available", "CidrBlock": "10.9.0.0/16", "Tags": []});
            let json = match line.split(' ').nth(2).unwrap() {
                "create-vpc" => {
                    made["Tags"] = serde_json::from_str(&tags.captures(&line).unwrap()[1].replace(r#"'"'"'"#, "'")).unwrap();
                    kept.push(made.clone());
                    json!({ "Vpc": made })
                }
                "describe-vpcs" => json!({ "Vpcs": kept.clone() }),
                "describe-vpc-attribute" => json!({"EnableDnsHostnames": {"Value": true}}),
                "describe-subnets" if used == "a subnet" => {
                    json!({"Subnets": [{"SubnetId": "subnet-9", "Tags": [{"Key": "Name", "Value": "theirs"}]}]})
                }
                "delete-vpc" if used == "a subnet" => {
                    let error = "An error occurred (DependencyViolation) when calling the DeleteVpc operation: it has dependencies";
                    answers.push(
                        json!({"cli_command": line, "response": {"error": error, "error_code": "DependencyViolation", "as_json": null}}),
                    );
                    continue;
                }
                "delete-vpc" => {
                    kept.clear();
                    json!({})
                }
                _ => json!({}),
            };
            answers.push(json!({"cli_command": line, "response": {"error": null, "error_code": null, "as_json": json.to_string()}}));
        }
        vec![Do::Structured(json!({ "result": answers }))]
    })
}

fn lines(fake: &Fake, with: &str) -> Vec<String> {
    let sent: Vec<Value> = fake.seen("call_aws").iter().map(|m| arguments(m)["cli_command"].clone()).collect();
    let all = sent.iter().flat_map(|c| c.as_array().map_or_else(|| vec![c.clone()], Clone::clone));
    all.map(|l| l.as_str().unwrap().to_owned()).filter(|l| l.contains(with)).collect()
}

#[tokio::test]
async fn a_vpc_is_looked_for_in_its_region_made_once_and_keeps_its_key() {
    let fake = account("");
    let server = bound(&fake, "aws-api");
    let wanted = properties(json!({"region": "eu-west-1", "cidrBlock": "10.9.0.0/16", "tags": {"motto": "it's ours"}}));
    let control = CallControl::read();
    let live = server.create(&kind("vpc:vpc"), &named("net"), &wanted, "k-1", &control).await.unwrap();
    assert_eq!((live.id.as_str(), live.created_by.as_deref()), ("eu-west-1/vpc-0a1", Some("k-1")));
    assert_eq!((&live.outputs["id"], &live.properties["tags"]), (&json!("vpc-0a1"), &json!({"motto": "it's ours"})));
    let tags = r#"[{"ResourceType":"vpc","Tags":[{"Key":"motto","Value":"it'"'"'s ours"},{"Key":"Name","Value":"net"},{"Key":"swell:key","Value":"k-1"}]}]"#;
    let line = format!("aws ec2 create-vpc --region eu-west-1 --cidr-block 10.9.0.0/16 --tag-specifications '{tags}'");
    assert_eq!(lines(&fake, "create-vpc"), [line]);
    assert_eq!(lines(&fake, "describe-vpcs")[0], "aws ec2 describe-vpcs --region eu-west-1 --filters Name=tag:Name,Values=net");
    // The same key again is the same VPC; AWS itself would make a second one without a word.
    assert_eq!(server.create(&kind("vpc:vpc"), &named("net"), &wanted, "k-1", &control).await.unwrap(), live);
    assert_eq!(lines(&fake, "create-vpc").len(), 1);
    server.delete(&key("vpc:vpc", "net", Some(&live.id)), &control).await.unwrap();
    assert_eq!(server.read(&key("vpc:vpc", "net", None)).await.unwrap(), None);
}

#[tokio::test]
async fn a_no_is_asked_again_and_then_explained() {
    let text = Library::load(&[]).get("aws-api").unwrap().text.replace("interval: 3, timeout: 15", "interval: 1, timeout: 1");
    let binding = Arc::new(parse("aws-api", "aws-api.yaml", &text).unwrap());
    let fake = account("a subnet");
    let server = BoundServer::new(fake.connection(ConnectOptions::default()), binding);
    let made = server.create(&kind("vpc:vpc"), &named("net"), &Properties::new(), "k", &CallControl::read()).await.unwrap();
    let no = server.delete(&key("vpc:vpc", "net", Some(&made.id)), &CallControl::read()).await.unwrap_err();
    assert!(lines(&fake, "delete-vpc").len() > 1);
    assert!(matches!(no, CallError::Refused { class: Refusal::InUse, .. }), "{no:?}");
    assert!(no.message().contains("in it there are still: subnet subnet-9 (theirs)"), "{no}");
}

#[tokio::test]
async fn an_id_that_only_an_answer_tells_is_not_guessed() {
    let server = bound(&account(""), "aws-api");
    let id = |of: &str, wanted: Value| server.known_id(&kind(of), &named("x"), &properties(wanted));
    assert_eq!(id("vpc:vpc", json!({})), None);
    // Through named values too: the zone of a record is found among those that are there.
    assert_eq!(id("route53:record", json!({"domain": "a.example.org"})), None);
    assert_eq!(id("autoscaling:group", json!({"region": "eu-west-1"})).as_deref(), Some("eu-west-1/x"));
    assert_eq!(id("rds:cluster", json!({})).as_deref(), Some("us-east-1/x"));
}

#[tokio::test]
async fn each_rule_of_a_group_is_a_call_of_its_own() {
    let group: Arc<Mutex<Value>> = Arc::new(Mutex::new(Value::Null));
    let fake = fake(EC2_TOOLS, move |what, message| {
        let args = arguments(message);
        let mut group = group.lock().unwrap();
        let answer = match what {
            "create_security_group" => {
                *group = json!({"group_id": "sg-1", "group_name": args["group_name"], "description": args["description"], "vpc_id": args["vpc_id"],
                    "owner_id": "1", "tags": args["tags"], "inbound_rules": [], "outbound_rules": []});
                json!({"status": "success", "group_id": "sg-1"})
            }
            "modify_security_group_rules" => {
                let rule = json!({"ip_protocol": args["ip_protocol"], "from_port": args["from_port"], "to_port": args["to_port"],
                    "ip_ranges": [{"CidrIp": args["cidr_blocks"][0]}], "user_id_group_pairs": []});
                group["inbound_rules"].as_array_mut().unwrap().push(rule);
                json!({"status": "success"})
            }
            "list_security_groups" => {
                json!({"status": "success", "security_groups": if group.is_null() { vec![] } else { vec![group.clone()] }})
            }
            _ => return Vec::new(),
        };
        vec![Do::Structured(json!({ "result": answer }))]
    });
    let server = bound(&fake, "aws-ec2");
    let wanted = properties(
        json!({"vpc": "vpc-1", "ingress": [{"protocol": "tcp", "port": 443, "cidr": "10.0.0.0/8"}, {"protocol": "udp", "fromPort": 1, "toPort": 9, "cidr": "10.1.0.0/16"}]}),
    );
    let live = server.create(&kind("ec2:securityGroup"), &named("web"), &wanted, "k", &CallControl::read()).await.unwrap();
    assert_eq!(fake.seen("modify_security_group_rules").len(), 2);
    let rules = json!([
        {"protocol": "tcp", "port": 443, "fromPort": 443, "toPort": 443, "cidr": "10.0.0.0/8"},
        {"protocol": "udp", "fromPort": 1, "toPort": 9, "cidr": "10.1.0.0/16"},
    ]);
    assert_eq!((live.created_by.as_deref(), &live.properties["ingress"]), (Some("k"), &rules));
}
