#!/usr/bin/env bash
# Who may do what in Kafka: one user a service, the least that it needs (docs/RELIABILITY.md, "Who is trusted with what").
# Strimzi's users (../strimzi/users.yaml) have the same rights; kubernetes/check compares them.
#
#   acls.sh BOOTSTRAP [OPTIONS]     OPTIONS go to kafka-acls, for instance --command-config FILE of a user who may alter ACLs
#
# Environment: KAFKA_ACLS (/opt/kafka/bin/kafka-acls.sh), TOPIC (prereservation), ACCOUNT_TOPIC (account). Called again, it
# changes nothing.
set -euo pipefail
bootstrap="${1:?acls.sh BOOTSTRAP [OPTIONS]}"
shift
options=("$@")
topic="${TOPIC:-prereservation}"
account="${ACCOUNT_TOPIC:-account}"
read -ra acls <<< "${KAFKA_ACLS:-/opt/kafka/bin/kafka-acls.sh}"

allow() { # USER WHAT...
  "${acls[@]}" --bootstrap-server "$bootstrap" ${options[@]+"${options[@]}"} --add --allow-principal "User:$1" "${@:2}" > /dev/null
}
# A service creates its topic if it comes first; it asks whether an existing one keeps facts.
look=(--operation Describe --operation DescribeConfigs --operation Create)

# Tells, and reads nothing.
allow prereservation "${look[@]}" --operation Write --topic "$topic"
for user in payment receipt; do
  allow "$user" "${look[@]}" --operation Write --operation Read --topic "$topic"
done
# Reads, and tells nothing.
allow myreservation "${look[@]}" --operation Read --topic "$topic"
for user in payment receipt myreservation; do
  # Copies of its own dead letters.
  allow "$user" "${look[@]}" --operation Write --topic "$topic.$user.dlt"
  # The consumer group has the service's name.
  allow "$user" --operation Describe --operation Read --group "$user"
done

# Facts about users: account alone tells them. Each service reads those that concern the tokens it checks, in no group.
allow account "${look[@]}" --operation Write --operation Read --topic "$account"
for user in prereservation payment receipt myreservation; do
  allow "$user" "${look[@]}" --operation Read --topic "$account"
done
