//! AWS through third-party servers, on an emulated account: built, changed, repaired, taken away; what stands in the way is named; a
//! killed run makes nothing twice; the shipped patterns are planned and rolled out.
//!
//! The account may be shared, so each test uses names of its own and looks only at those.

use serde_json::{Value, json};
use swell::mcp::{AnyServer, CallControl, Effect};

use super::support::{LabServer, home_with, lab_server};
use crate::support::env::TestEnv;

const SYSTEM: &str = "SWELL_LAB_MOTO";

/// The account behind Swell's back, through the same kind of server.
pub struct Account {
    server: AnyServer,
    runtime: tokio::runtime::Runtime,
}

impl Account {
    /// Connects to it.
    pub fn of(lab: &LabServer) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let server = runtime.block_on(async { lab.connect("account") });
        Self { server, runtime }
    }

    /// What a command line answers.
    #[track_caller]
    pub fn run(&self, line: &str) -> Value {
        let arguments = json!({"cli_command": line}).as_object().unwrap().clone();
        let (tool, control) = ("call_aws".parse().unwrap(), CallControl::read());
        let call = self.server.connection().call(&tool, arguments, Effect::Change, &control);
        let reply = self.runtime.block_on(call).unwrap().json().unwrap();
        let text = reply["result"][0]["response"]["as_json"].as_str().unwrap_or_else(|| panic!("{line}: {reply}"));
        serde_json::from_str(text).unwrap()
    }

    /// The ids of what has this name (or whose name begins with it) in the default region, of all kinds that could be left behind.
    fn named(&self, prefix: &str) -> Vec<String> {
        let by_tag = |what: &str, list: &str| {
            let found = self.run(&format!("aws ec2 {what} --filters Name=tag:Name,Values={prefix}* --query {list} --region us-east-1"));
            found["Result"].as_array().cloned().unwrap_or_default()
        };
        let mut all = by_tag("describe-vpcs", "Vpcs[].VpcId");
        all.extend(by_tag("describe-subnets", "Subnets[].SubnetId"));
        all.extend(by_tag("describe-internet-gateways", "InternetGateways[].InternetGatewayId"));
        let rest = [
            ("ec2 describe-security-groups", "SecurityGroups[].GroupName"),
            ("ec2 describe-launch-templates", "LaunchTemplates[].LaunchTemplateName"),
            ("autoscaling describe-auto-scaling-groups", "AutoScalingGroups[].AutoScalingGroupName"),
            ("rds describe-db-instances", "DBInstances[].DBInstanceIdentifier"),
            ("elbv2 describe-load-balancers", "LoadBalancers[].LoadBalancerName"),
            ("s3api list-buckets", "Buckets[].Name"),
        ];
        for (what, list) in rest {
            let found = self.run(&format!("aws {what} --query {list} --region us-east-1"));
            let mine = |v: &&Value| v.as_str().is_some_and(|n| n.starts_with(prefix));
            all.extend(found["Result"].as_array().unwrap_or(&Vec::new()).iter().filter(mine).cloned());
        }
        all.iter().map(|v| v.as_str().unwrap().to_owned()).collect()
    }

    fn instances(&self, name: &str) -> Vec<String> {
        let states = "Name=instance-state-name,Values=pending,running,stopped";
        let found = self.run(&format!(
            "aws ec2 describe-instances --filters Name=tag:Name,Values={name} {states} --query Reservations[].Instances[].InstanceId --region us-east-1"
        ));
        found["Result"].as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
    }
}

/// A name that no other run uses.
pub fn own(name: &str) -> String {
    format!("{name}{}", std::process::id() % 100_000)
}

fn lab() -> Option<(LabServer, TestEnv)> {
    let lab = lab_server("aws-api", &[SYSTEM])?;
    let env = home_with(&[("aws", &lab)]);
    Some((lab, env))
}

/// Everything that the acceptance asks for, each with references to the others.
fn everything(p: &str) -> String {
    format!(
        r##"name: {p}
resources:
  - {{server: aws, type: "vpc:vpc", name: {p}-net, properties: {{cidrBlock: 10.77.0.0/16, tags: {{env: lab}}}}}}
  - {{server: aws, type: "vpc:subnet", name: {p}-a, properties: {{vpc: "${{aws:vpc:vpc:{p}-net.id}}", cidrBlock: 10.77.1.0/24, availabilityZone: us-east-1a}}}}
  - {{server: aws, type: "vpc:subnet", name: {p}-b, properties: {{vpc: "${{aws:vpc:vpc:{p}-net.id}}", cidrBlock: 10.77.2.0/24, availabilityZone: us-east-1b}}}}
  - server: aws
    type: ec2:securityGroup
    name: {p}-sg
    properties:
      vpc: "${{aws:vpc:vpc:{p}-net.id}}"
      description: lab web
      ingress: [{{protocol: tcp, port: 443, cidr: 10.0.0.0/8, description: HTTPS}}, {{protocol: tcp, fromPort: 8000, toPort: 8010, cidr: 10.0.0.0/8}}]
  - server: aws
    type: ec2:instance
    name: {p}-one
    properties:
      instanceType: t3.micro
      subnet: "${{aws:vpc:subnet:{p}-a.id}}"
      securityGroups: ["${{aws:ec2:securityGroup:{p}-sg.id}}"]
      userData: "#!/bin/sh\necho 'it''s $HOME'\n"
      tags: {{role: one}}
  - {{server: aws, type: "acm:certificate", name: {p}-cert, properties: {{domain: {p}.example.com}}}}
  - {{server: aws, type: "ec2:launchTemplate", name: {p}-lt, properties: {{instanceType: t3.small, securityGroups: ["${{aws:ec2:securityGroup:{p}-sg.id}}"]}}}}
  - {{server: aws, type: "autoscaling:group", name: {p}-asg, properties: {{minSize: 1, maxSize: 3, launchTemplate: "${{aws:ec2:launchTemplate:{p}-lt.id}}", subnets: ["${{aws:vpc:subnet:{p}-a.id}}", "${{aws:vpc:subnet:{p}-b.id}}"]}}}}
  - {{server: aws, type: "s3:bucket", name: {p}-bucket, properties: {{versioning: true}}}}
  - server: aws
    type: rds:cluster
    name: {p}-db
    properties:
      engine: postgres
      storage: 20
      masterPassword: "${{secret:dbpass}}"
      subnets: ["${{aws:vpc:subnet:{p}-a.id}}", "${{aws:vpc:subnet:{p}-b.id}}"]
      securityGroups: ["${{aws:ec2:securityGroup:{p}-sg.id}}"]
outputs: {{db: "${{aws:rds:cluster:{p}-db.endpoint}}"}}
"##
    )
}

const PASSWORD: &str = "Sup3r-s3cret'pw";

#[test]
fn an_account_is_built_changed_repaired_and_taken_away() {
    let Some((lab, env)) = lab() else { return };
    let (account, p) = (Account::of(&lab), own("swellab"));
    env.swell_with_input(&["secrets", "set", "dbpass"], PASSWORD).ok();
    env.write("all.yaml", everything(&p));
    let made = env.swell(&["apply", "all.yaml", "--yes", "--max-destroy", "0"]).ok();
    assert!(!format!("{made:?}").contains(PASSWORD), "the password is shown");
    assert!(made.stderr.contains(&format!("{p}-db.")), "{made:?}");
    env.settled(&p);
    assert_eq!(account.instances(&format!("{p}-one")).len(), 1);

    // As AWS does it: the type of an instance changes in place, a new network needs a new VPC.
    let changed = everything(&p).replace("instanceType: t3.micro", "instanceType: t3.small").replace("role: one", "role: two");
    env.write(
        "all.yaml",
        changed.replace("port: 443, cidr: 10.0.0.0/8", "port: 443, cidr: 10.1.0.0/16").replace("storage: 20", "storage: 30"),
    );
    env.swell(&["plan", "all.yaml"]).ok().prints("3 to change, 0 to replace");
    env.swell(&["apply", "all.yaml", "--yes", "--max-destroy", "0"]).ok();
    env.settled(&p);
    env.write("wider.yaml", changed.replace("10.77.0.0/16", "10.78.0.0/16"));
    env.swell(&["plan", "wider.yaml"]).any_code().prints("-/+");

    let id = account.instances(&format!("{p}-one")).remove(0);
    account.run(&format!("aws ec2 create-tags --resources {id} --tags Key=role,Value=other --region us-east-1"));
    let group = account.run(&format!(
        "aws ec2 describe-security-groups --filters Name=group-name,Values={p}-sg --query SecurityGroups[].GroupId --region us-east-1"
    ));
    let group = group["Result"][0].as_str().unwrap();
    account.run(&format!(
        "aws ec2 authorize-security-group-ingress --group-id {group} --protocol tcp --port 22 --cidr 0.0.0.0/0 --region us-east-1"
    ));
    let drift = env.swell(&["drift", &p, "--exit-code"]).code(4).prints(&format!("aws:ec2:securityGroup:{p}-sg ingress"));
    assert!(drift.stdout.contains(&format!("aws:ec2:instance:{p}-one tags")), "{drift:?}");
    env.swell(&["apply", "all.yaml", "--yes", "--max-destroy", "0"]).ok();
    env.swell(&["drift", &p, "--exit-code"]).code(0);
    env.settled(&p);

    env.swell(&["destroy", &p, "--yes", "--max-destroy", "99"]).ok();
    assert_eq!(account.named(&p), [""; 0]);
    assert_eq!(account.instances(&format!("{p}-one")), [""; 0]);
    assert_eq!(env.resources(&p), [""; 0]);
}

#[test]
fn a_foreign_instance_is_named_when_its_subnet_cannot_go() {
    let Some((lab, env)) = lab() else { return };
    let (account, p) = (Account::of(&lab), own("swelldep"));
    let net = format!(
        "name: {p}\nresources:\n  - {{server: aws, type: \"vpc:vpc\", name: {p}-net, properties: {{cidrBlock: 10.79.0.0/16}}}}\n  - {{server: aws, type: \"vpc:subnet\", name: {p}-a, properties: {{vpc: \"${{aws:vpc:vpc:{p}-net.id}}\", cidrBlock: 10.79.1.0/24}}}}\n"
    );
    env.write("net.yaml", net);
    env.swell(&["apply", "net.yaml", "--yes", "--max-destroy", "0"]).ok();
    let ask = |what: &str| account.run(&format!("aws ec2 {what} --region us-east-1"))["Result"][0].as_str().unwrap().to_owned();
    let subnet = ask(&format!("describe-subnets --filters Name=tag:Name,Values={p}-a --query Subnets[].SubnetId"));
    let image = ask("describe-images --owners amazon --query Images[].ImageId");
    let tags = format!(r#"'[{{"ResourceType":"instance","Tags":[{{"Key":"Name","Value":"{p}-theirs"}}]}}]'"#);
    account.run(&format!("aws ec2 run-instances --image-id {image} --count 1 --instance-type t3.micro --subnet-id {subnet} --tag-specifications {tags} --region us-east-1"));
    let theirs = account.instances(&format!("{p}-theirs")).remove(0);

    let words = format!("it is still used by instance {theirs} ({p}-theirs)");
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let failed = env.swell(&["destroy", &p, "--yes", "--max-destroy", "9"]).code(3);
    assert!(flat(&format!("{} {}", failed.stdout, failed.stderr)).contains(&words), "{failed:?}");
    assert!(failed.stderr.contains(&format!("{p}-net")), "what was not started for it is named: {failed:?}");
    let why = env.swell(&["-p", &format!("why can {p} not be destroyed?")]).any_code();
    assert!(flat(&why.stdout).contains(&words), "{why:?}");

    account.run(&format!("aws ec2 terminate-instances --instance-ids {theirs} --region us-east-1"));
    // What the emulator itself refuses: another subnet in the VPC.
    let vpc = ask(&format!("describe-vpcs --filters Name=tag:Name,Values={p}-net --query Vpcs[].VpcId"));
    let other = account.run(&format!("aws ec2 create-subnet --vpc-id {vpc} --cidr-block 10.79.9.0/24 --region us-east-1"));
    let other = other["Subnet"]["SubnetId"].as_str().unwrap();
    let failed = env.swell(&["destroy", &p, "--yes", "--max-destroy", "9"]).code(3);
    let said = flat(&format!("{} {}", failed.stdout, failed.stderr));
    assert!(said.contains("DependencyViolation") && said.contains(&format!("there are still: subnet {other}")), "{failed:?}");
    account.run(&format!("aws ec2 delete-subnet --subnet-id {other} --region us-east-1"));
    env.swell(&["destroy", &p, "--yes", "--max-destroy", "9"]).ok();
    assert_eq!(account.named(&p), [""; 0]);
}

#[test]
fn a_run_that_was_killed_makes_nothing_twice() {
    let Some((lab, env)) = lab() else { return };
    let (account, p) = (Account::of(&lab), own("swellkill"));
    let mut net = format!("name: {p}\nresources:\n");
    for n in 0..6 {
        net.push_str(&format!("  - {{server: aws, type: \"vpc:vpc\", name: {p}-{n}, properties: {{cidrBlock: 10.8{n}.0.0/16}}}}\n"));
    }
    env.write("net.yaml", net);
    let count = || {
        let all =
            account.run(&format!("aws ec2 describe-vpcs --filters Name=tag:Name,Values={p}-* --query Vpcs[].VpcId --region us-east-1"));
        all["Result"].as_array().unwrap().len()
    };
    let mut child = env.command(crate::support::env::SWELL, &["apply", "net.yaml", "--yes", "--max-destroy", "0"]).spawn().unwrap();
    // The first is there, so the others are on their way.
    super::engine::until(60, count, |n| *n > 0);
    child.kill().unwrap();
    child.wait().unwrap();
    let resumed = env.swell(&["resume", &p, "--yes", "--max-destroy", "0"]).any_code();
    if resumed.code != 0 {
        // It was killed before anything was written down that could be resumed, or after everything was.
        env.swell(&["apply", "net.yaml", "--yes", "--max-destroy", "0"]).ok();
    }
    env.settled(&p);
    assert_eq!(count(), 6, "{resumed:?}");
    env.swell(&["destroy", &p, "--yes", "--max-destroy", "9"]).ok();
    assert_eq!(count(), 0);
}

#[test]
fn the_shipped_web_app_runs_on_it_and_goes_again() {
    let Some((lab, env)) = lab() else { return };
    let (account, p) = (Account::of(&lab), own("swellapp"));
    let asked =
        ["--pattern", "load-balanced-web-app", "-p", &format!("domain={p}.example.com"), "-p", &format!("appName={p}")].map(str::to_owned);
    let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    let plan = env.swell_all(&[&["plan"], &asked]).ok();
    assert!(plan.stdout.contains("flowLogs") || plan.stderr.contains("flowLogs"), "what is left out is said: {plan:?}");
    env.swell_all(&[&["apply"], &asked, &["--yes", "--max-destroy", "0"]]).ok();
    env.settled(&p);
    env.swell(&["destroy", &p, "--yes", "--max-destroy", "99"]).ok();
    assert_eq!(account.named(&p), [""; 0]);
}

#[test]
fn the_shipped_database_runs_on_it_and_the_runbook_is_planned_in_the_other_region() {
    let Some((lab, env)) = lab() else { return };
    let (account, p) = (Account::of(&lab), own("swelldb"));
    let net = format!(
        "name: {p}\nresources:\n  - {{server: aws, type: \"vpc:vpc\", name: {p}-net, properties: {{cidrBlock: 10.66.0.0/16}}}}\n  - {{server: aws, type: \"vpc:subnet\", name: {p}-1, properties: {{vpc: \"${{aws:vpc:vpc:{p}-net.id}}\", cidrBlock: 10.66.1.0/24, availabilityZone: us-east-1a}}}}\n  - {{server: aws, type: \"vpc:subnet\", name: {p}-2, properties: {{vpc: \"${{aws:vpc:vpc:{p}-net.id}}\", cidrBlock: 10.66.2.0/24, availabilityZone: us-east-1b}}}}\n  - {{server: aws, type: \"ec2:securityGroup\", name: {p}-app, properties: {{vpc: \"${{aws:vpc:vpc:{p}-net.id}}\", description: app}}}}\n"
    );
    env.write("net.yaml", net);
    env.swell(&["apply", "net.yaml", "--yes", "--max-destroy", "0"]).ok();
    let (subnets, group, name) = (format!(r#"subnets=["{p}-1","{p}-2"]"#), format!("clientGroup={p}-app"), format!("{p}-pg"));
    let asked = [
        "--pattern",
        "secure-database-cluster",
        "-p",
        "engine=postgres",
        "-p",
        &subnets,
        "-p",
        &group,
        "-p",
        "deletionProtection=false",
        // The emulator knows no backup selections.
        "-p",
        "backup.enabled=false",
        "--name",
        &name,
    ];
    let made = env.swell_all(&[&["apply"], &asked, &["--yes", "--max-destroy", "0"]]).ok();
    assert!(made.stderr.contains("us-east-1.rds.amazonaws.com"), "{made:?}");
    env.settled(&name);
    let runbook = ["--pattern", "disaster-recovery", "-p", "sourceRegion=us-east-1", "-p", "targetRegion=us-west-2"];
    let plan = env.swell_all(&[&["plan"], &runbook]).any_code();
    assert!(plan.stdout.contains("aws:rds:cluster:dr-us-west-2-database") && plan.stdout.contains("region us-west-2"), "{plan:?}");
    env.swell(&["destroy", &name, "--yes", "--max-destroy", "99"]).ok();
    env.swell(&["destroy", &p, "--yes", "--max-destroy", "99"]).ok();
    assert_eq!(account.named(&p), [""; 0]);
}

#[test]
fn the_typed_server_makes_what_its_tools_allow_and_refuses_the_rest() {
    let Some(lab) = lab_server("aws-ec2", &[SYSTEM]) else { return };
    let Some(api) = lab_server("aws-api", &[SYSTEM]) else { return };
    let (account, p) = (Account::of(&api), own("swelltyped"));
    let env = home_with(&[("ec2", &lab), ("aws", &api)]);
    let ask = |what: &str| account.run(&format!("aws ec2 {what} --region us-east-1"))["Result"][0].as_str().unwrap().to_owned();
    let (vpc, image) = (
        ask("describe-vpcs --filters Name=is-default,Values=true --query Vpcs[].VpcId"),
        ask("describe-images --owners amazon --query Images[].ImageId"),
    );
    let template = |ingress: &str, size: &str| {
        format!(
            "name: {p}\nresources:\n  - {{server: ec2, type: \"ec2:securityGroup\", name: {p}-sg, properties: {{vpc: {vpc}, ingress: [{ingress}]}}}}\n  - {{server: ec2, type: \"ec2:instance\", name: {p}-one, properties: {{ami: {image}, instanceType: {size}, securityGroups: [\"${{ec2:ec2:securityGroup:{p}-sg.id}}\"]}}}}\n"
        )
    };
    let (narrow, wide) = (
        "{protocol: tcp, port: 443, cidr: 10.0.0.0/8}",
        "{protocol: tcp, port: 443, cidr: 10.0.0.0/8}, {protocol: udp, port: 53, cidr: 10.0.0.0/8}",
    );
    env.write("t.yaml", template(narrow, "t3.micro"));
    env.swell(&["apply", "t.yaml", "--yes", "--max-destroy", "0"]).ok();
    env.settled(&p);
    env.write("t.yaml", template(wide, "t3.micro"));
    env.swell(&["apply", "t.yaml", "--yes", "--max-destroy", "0"]).ok();
    env.settled(&p);
    env.write("t.yaml", template(wide, "t3.small"));
    env.swell(&["plan", "t.yaml"]).any_code().prints("1 to replace");
    env.write(
        "no.yaml",
        format!("name: {p}x\nresources: [{{server: ec2, type: \"vpc:vpc\", name: {p}-net, properties: {{cidrBlock: 10.0.0.0/16}}}}]\n"),
    );
    let no = env.swell(&["plan", "no.yaml"]).code(1);
    assert!(no.stderr.contains("has no tool that makes a VPC"), "{no:?}");
    env.swell(&["destroy", &p, "--yes", "--max-destroy", "9"]).ok();
    assert_eq!(account.named(&p), [""; 0]);
    assert_eq!(account.instances(&format!("{p}-one")), [""; 0]);
}
